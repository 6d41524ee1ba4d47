"""What a batch of Kafka records asks of the database; pure: knows record shapes, no broker and no table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, Protocol

import msgspec

from services.notifier.addresses import UNDATED, Told
from services.notifier.facts import Publication, buried
from services.notifier.silence import Verdict
from shared.contract.commands import Allow, CancelMessage, OutreachCommand, SendMessage, Suppress
from shared.contract.contact_points import ContactPoint
from shared.contract.dead_letters import LONGEST_SEALED, SEALED_AS, reason_of, sealed_field
from shared.contract.topics import CONTACT_POINTS, OUTREACH_COMMANDS, PROVIDER_RECEIPTS, ROLL_KEY
from shared.engine.fold import poison_limit
from shared.instants import LATEST, parse_instant

Seal = Callable[[str, str, bytes], bytes]
"""As Keyring.seal_bytes: alias, field, value."""
_LARGEST = 2**63 - 1


class Record(Protocol):
    """The part of a Kafka record that is looked at."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True):
    """One record of provider-receipts-v1."""

    provider: str
    ref: str = ""
    command_id: str = ""
    status: Literal["delivered", "failed"]
    reason: str = ""


class Batch(msgspec.Struct, kw_only=True):
    """What to write, in one transaction; built up record by record and then only read."""

    commands: dict[str, tuple[SendMessage, bytes]] = {}
    """By command id, with the bytes that came; the first of an id stays."""
    cancellations: dict[str, CancelMessage] = {}
    silences: dict[tuple[str, str, str], Verdict] = {}
    """By id, channel and purpose; the latest decided stays."""
    forgotten: dict[str, int] = {}
    """Ids of erased persons, with the instant up to which."""
    addresses: list[Told] = []
    """In order: which of them holds is decided beside those that the database holds."""
    receipts: list[ReceiptLine] = []
    dead: list[Publication] = []
    positions: dict[tuple[str, int], int] = {}
    """Next offset by topic and partition."""
    balances: dict[tuple[str, int], int] = {}
    """Failures beyond successes by topic and partition (shared/engine/fold/poison_limit.py)."""
    logical_now: int = 0
    """The largest `decided_at`."""


class _UnstorableError(ValueError):
    """Well-formed JSON that the database could not hold."""


_decode_command = msgspec.json.Decoder(OutreachCommand).decode
_decode_contact = msgspec.json.Decoder(ContactPoint).decode
_decode_receipt = msgspec.json.Decoder(ReceiptLine).decode


def read_batch(
    records: Iterable[Record], seal: Seal, balances: Mapping[tuple[str, int], int] = MappingProxyType({})
) -> Batch:
    """Sort records of the notifier's three topics; one that cannot be read becomes a dead letter, the rest goes on.

    `balances`: where each partition stood before.
    """
    batch = Batch()
    for record in records:
        place = (record.topic, record.partition)
        batch.positions[place] = record.offset + 1
        balance = batch.balances.get(place, balances.get(place, 0))
        try:
            _read(record, batch)
            batch.balances[place] = poison_limit.succeeded(balance)
        except (msgspec.DecodeError, UnicodeDecodeError, _UnstorableError) as error:
            batch.dead.append(_bury(record, error, seal))
            batch.balances[place] = poison_limit.failed(balance)
    return batch


def _read(record: Record, batch: Batch) -> None:
    value = record.value or b""
    if record.topic == OUTREACH_COMMANDS.name:
        _take_command(_decode_command(value), value, batch)
    elif record.topic == CONTACT_POINTS.name:
        if record.key == ROLL_KEY and record.value is None:
            return
        key = (record.key or b"").decode()
        batch.addresses.append(_address(key, record))
    elif record.topic == PROVIDER_RECEIPTS.name:
        receipt = _decode_receipt(value)
        _require_storable(receipt.provider, receipt.ref, receipt.command_id, receipt.reason)
        if not (receipt.ref or receipt.command_id):
            raise _UnstorableError("ref: a receipt must name a ref or a command_id")
        batch.receipts.append(receipt)


def _take_command(command: OutreachCommand, value: bytes, batch: Batch) -> None:
    _require_storable(command.customer)
    if not 0 <= command.decided_at <= _LARGEST:
        raise _UnstorableError("decided_at: must be an instant in milliseconds")
    if isinstance(command, Suppress | Allow):
        _take_silence(command, batch)
    elif isinstance(command, CancelMessage):
        _require_storable(command.command_id, command.reason)
        batch.cancellations.setdefault(command.command_id, command)
    else:
        _require_storable(command.command_id, command.rule, command.trigger_key, command.alias, command.field)
        numbers = (command.send_by, command.step, command.position)
        if not all(0 <= number <= _LARGEST for number in numbers):
            raise _UnstorableError("send_by, step, position: must be whole numbers of at most 63 bits, not negative")
        batch.commands.setdefault(command.command_id, (command, value))
    batch.logical_now = max(batch.logical_now, command.decided_at)


def _take_silence(command: Suppress | Allow, batch: Batch) -> None:
    ids = (command.customer, *command.ids)
    _require_storable(*ids)
    if not 0 <= command.number <= _LARGEST:
        raise _UnstorableError("number: must be a whole number of at most 63 bits, not negative")
    silent, reason = isinstance(command, Suppress), "consent"
    if isinstance(command, Suppress):
        reason = command.reason
        if not 0 <= command.erased <= _LARGEST:
            raise _UnstorableError("erased: must be an instant in milliseconds")
        if command.reason == "erased":
            batch.forgotten |= {each: max(command.erased, batch.forgotten.get(each, 0)) for each in ids}
    verdict = Verdict(silent=silent, reason=reason, decided_at=command.decided_at, number=command.number)
    for each in ids:
        place = (each, command.channel, command.purpose)
        known = batch.silences.get(place)
        if known is None or known.place < verdict.place:
            batch.silences[place] = verdict


def _address(key: str, record: Record) -> Told:
    _require_storable(key)
    where = (record.partition, record.offset)
    if record.value is None:
        return Told(key=key, at=_reach(record.headers), where=where)
    point = _decode_contact(record.value)
    _require_storable(point.alias, point.field, point.sealed)
    if not 0 <= point.at <= LATEST:
        raise _UnstorableError("at: must be an instant in milliseconds, in the year 2100 at the latest")
    return Told(key=key, at=point.at, point=point, where=where)


def _reach(headers: Sequence[tuple[str, bytes]]) -> int:
    """The instant that a null reaches, from the header `ce_time`."""
    told = dict(headers).get("ce_time")
    try:
        return parse_instant(told.decode()) if told else UNDATED
    except ValueError:
        return UNDATED


def _require_storable(*texts: str) -> None:
    if any("\0" in text for text in texts):
        raise _UnstorableError("a text holds a NUL character")


def _bury(record: Record, error: Exception, seal: Seal) -> Publication:
    where = (record.topic, record.partition, record.offset)
    return buried(
        where=where,
        key=(record.key or b"").decode(errors="replace").replace("\0", "\ufffd"),
        reason=reason_of(error),
        arrived=record.timestamp,
        sealed=seal(SEALED_AS, sealed_field(*where), (record.value or b"")[:LONGEST_SEALED]),
    )
