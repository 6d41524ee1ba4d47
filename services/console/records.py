"""One batch of read records, coalesced by key; pure, knows topics and record shapes, no table's content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol, get_args, get_type_hints

import msgspec

from services.console.consent_records import Consented, consented
from services.console.letters import Letter, dead, rejected
from shared.contract.commands import OutreachCommand, SendMessage, Suppress
from shared.contract.facts import CustomerFact, MessageReported
from shared.contract.public_records import CandidateDecided, DeliveryDecided, SegmentChanged, SegmentSnapshot
from shared.contract.topics import (
    CUSTOMER_EVENTS,
    DEAD_LETTERS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    REJECTED_EVENTS,
    ROLL_KEY,
    SEGMENT_CHANGES,
    SEGMENTS,
)

TOPICS: Final = tuple(
    topic.name
    for topic in (
        CUSTOMER_EVENTS,
        SEGMENTS,
        SEGMENT_CHANGES,
        OUTREACH_COMMANDS,
        OUTREACH_DECISIONS,
        DEAD_LETTERS,
        REJECTED_EVENTS,
    )
)
FACTS: Final = frozenset(str(fact.__struct_config__.tag) for fact in get_args(CustomerFact))
"""Types of facts; hand-over records repeat facts that were counted where they arrived."""
REPORTED: Final = frozenset(get_args(get_type_hints(MessageReported)["status"]))
COMMANDED: Final = "commanded"
"""State of a message of which nothing has been reported yet."""
RANKS: Final = {COMMANDED: 0, "sent": 1, "assumed_sent": 1}
"""How far a state is; those not named are final."""
OPENED: Final = frozenset({"opened", "clicked", "replied"})
LONGEST: Final = 200
"""Characters kept of a text that other services made."""

Positions = Mapping[tuple[str, int], int]


class Record(Protocol):
    """What is read of a Kafka record."""

    @property
    def topic(self) -> str:
        """Its topic."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """When the broker or the producer stamped it, ms."""

    @property
    def key(self) -> bytes | None:
        """Customer id as UTF-8."""

    @property
    def value(self) -> bytes | None:
        """JSON; None deletes the key."""


class Standing(NamedTuple):
    """Where one customer stands."""

    lifecycle: str
    sleep_warning: bool
    rfm: str
    orders: int
    amount: int
    as_of: int


class Message(NamedTuple):
    """One command and what is known of its delivery."""

    rule: str
    channel: str
    state: str = COMMANDED
    at: int = 0
    opened: bool = False
    clicked: bool = False


class Decision(NamedTuple):
    """One decision about a candidate, in the order of the table's columns."""

    id: str
    customer: str
    rule: str
    verdict: str
    reason: str
    detail: str
    until: int | None
    effective_at: int
    decided_at: int
    command_id: str
    arrived: int
    partition: int
    offset: int


class Changed(NamedTuple):
    """One change of segment."""

    seq: int
    dimension: str
    before: str
    after: str


class Batch:
    """What a batch says per key, in offset order of each partition."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, int], int] = {}
        self.logical_now = 0
        self.events: dict[tuple[int, str], int] = defaultdict(int)
        """(second of arrival, type) → events."""
        self.customers: dict[str, Standing | None] = {}
        """None: the customer was taken out."""
        self.changes: dict[str, list[Changed]] = defaultdict(list)
        self.messages: dict[str, Message] = {}
        self.decisions: dict[str, Decision] = {}
        self.letters: dict[str, Letter] = {}
        self.consents: list[Consented] = []
        self.erased: dict[str, int] = {}  # by id, the instant up to which
        self.unreadable = 0


class _Front(msgspec.Struct):
    """The few fields of the front's records that are counted; the rest is passed over undecoded."""

    type: str
    as_of: int = 0
    scenario: bool = False
    command_id: str = ""
    rule: str = ""
    channel: str = ""
    status: str = ""
    at: int = 0


_decode_front = msgspec.json.Decoder(_Front).decode
_decode_command = msgspec.json.Decoder(OutreachCommand).decode
_decode_decision = msgspec.json.Decoder(CandidateDecided | DeliveryDecided).decode
_decode_change = msgspec.json.Decoder(SegmentChanged).decode
_decode_snapshot = msgspec.json.Decoder(SegmentSnapshot).decode


def read_batch(records: Iterable[Record], positions: Positions, *, scenario: bool) -> Batch:
    """Coalesce the records that stand at or after `positions`; what cannot be read is counted and passed over.

    The result holds the position after the last record of every partition that had something new.
    """
    batch = Batch()
    for record in records:
        place = (record.topic, record.partition)
        if record.offset < batch.positions.get(place, positions.get(place, 0)):
            continue
        batch.positions[place] = record.offset + 1
        try:
            _TAKERS[record.topic](batch, record, scenario)
        except (msgspec.DecodeError, UnicodeDecodeError):
            batch.unreadable += 1
    return batch


def merged(first: Message, second: Message) -> Message:
    """One message from two reports about it, in whichever order they come: the furthest state, the latest of those."""
    ahead = max(first, second, key=_progress)
    return ahead._replace(opened=first.opened or second.opened, clicked=first.clicked or second.clicked)


def _progress(message: Message) -> tuple[int, int, str]:
    return RANKS.get(message.state, 2), message.at, message.state


def _take_front(batch: Batch, record: Record, scenario: bool) -> None:  # noqa: FBT001 - the same shape as the others
    front = _decode_front(record.value or b"")
    if front.type in FACTS and record.key is not None:
        batch.events[record.timestamp // 1000, front.type] += 1
        if front.type == "message.reported" and front.status in REPORTED:
            _meet(batch, front.command_id, _reported(front))
        elif front.type == "consent.set":
            batch.consents.append(consented(record))
    elif front.type == "tick" and (scenario or not (front.scenario or front.as_of > record.timestamp)):
        batch.logical_now = max(batch.logical_now, front.as_of)


def _reported(front: _Front) -> Message:
    if front.status not in OPENED:
        return Message(_text(front.rule), front.channel, front.status, front.at)
    return Message(_text(front.rule), front.channel, opened=True, clicked=front.status == "clicked")


def _take_command(batch: Batch, record: Record, _: bool) -> None:  # noqa: FBT001
    command = _decode_command(record.value or b"")
    if isinstance(command, SendMessage):
        _meet(batch, command.command_id, Message(_text(command.rule), command.channel))
    elif isinstance(command, Suppress) and command.reason == "erased":
        for each in (command.customer, *command.ids):
            batch.erased[_text(each)] = max(command.erased, batch.erased.get(_text(each), 0))


def _take_decision(batch: Batch, record: Record, _: bool) -> None:  # noqa: FBT001
    decided = _decode_decision(record.value or b"")
    if isinstance(decided, DeliveryDecided):
        _meet(batch, decided.command_id, Message(_text(decided.rule), decided.channel, decided.state, decided.at))
        return
    batch.decisions[decided.id] = Decision(
        id=decided.id,
        customer=_text(decided.customer),
        rule=_text(decided.rule),
        verdict=decided.verdict,
        reason=_text(decided.reason),
        detail=_text(decided.gates[-1].detail if decided.gates else ""),
        until=decided.until,
        effective_at=decided.effective_at,
        decided_at=decided.decided_at,
        command_id=decided.commands[0] if decided.commands else "",
        arrived=record.timestamp,
        partition=record.partition,
        offset=record.offset,
    )


def _take_change(batch: Batch, record: Record, _: bool) -> None:  # noqa: FBT001
    change = _decode_change(record.value or b"")
    batch.changes[_text(change.customer)].append(
        Changed(change.seq, _text(change.dimension), _text(change.before), _text(change.after))
    )


def _take_snapshot(batch: Batch, record: Record, _: bool) -> None:  # noqa: FBT001
    if record.value is None:
        if record.key is not None and record.key != ROLL_KEY:
            batch.customers[_text(record.key.decode())] = None
        return
    shot = _decode_snapshot(record.value)
    known, new = batch.customers.get(_text(shot.customer)), shot.segments
    if known is None or known.as_of <= shot.as_of:
        batch.customers[_text(shot.customer)] = Standing(
            _text(new.lifecycle), new.sleep_warning, _text(new.rfm), shot.orders, shot.total, shot.as_of
        )


def _take_dead(batch: Batch, record: Record, _: bool) -> None:  # noqa: FBT001
    _add_letter(batch, dead(record))


def _take_rejected(batch: Batch, record: Record, _: bool) -> None:  # noqa: FBT001
    _add_letter(batch, rejected(record))


def _add_letter(batch: Batch, told: Letter) -> None:
    """The first telling stays, with the latest arrival: an event that is sent and refused again is news."""
    first = batch.letters.setdefault(told.id, told)
    if told.arrived > first.arrived:
        batch.letters[told.id] = first._replace(arrived=told.arrived)


_TAKERS: Final[dict[str, Any]] = {
    CUSTOMER_EVENTS.name: _take_front,
    OUTREACH_COMMANDS.name: _take_command,
    OUTREACH_DECISIONS.name: _take_decision,
    SEGMENT_CHANGES.name: _take_change,
    SEGMENTS.name: _take_snapshot,
    DEAD_LETTERS.name: _take_dead,
    REJECTED_EVENTS.name: _take_rejected,
}


def _meet(batch: Batch, command_id: str, message: Message) -> None:
    known = batch.messages.get(command_id)
    batch.messages[command_id] = message if known is None else merged(known, message)


def _text(value: str) -> str:
    """A text as PostgreSQL keeps it."""
    return value[:LONGEST].replace("\0", "\ufffd")
