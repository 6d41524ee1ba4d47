"""What is right for a letter of each topic: the event to send again or the record to write; pure, sends nothing (docs/operations.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, get_args

import msgspec

from services.console.letters import Letter
from shared.contract.broadcasts import Broadcast, Checkpoint, ResyncRequested, Standing, Tick
from shared.contract.bundles import Bundle, ProfileUpdated, SegmentsUpdated
from shared.contract.codec import Headers, cloud_event, decode_front, encode, fact_headers
from shared.contract.commands import Allow, OutreachCommand, SendMessage, Suppress
from shared.contract.dead_letters import LONGEST_SEALED
from shared.contract.facts import CustomerFact, TraitsSet
from shared.contract.identity import Forwarded, Fragment, Linked
from shared.contract.partitioner import partition_of
from shared.contract.topics import (
    CONTACT_POINTS,
    CUSTOMER_EVENTS,
    OUTREACH_COMMANDS,
    PROFILE_UPDATES,
    PROVIDER_RECEIPTS,
    SEGMENT_UPDATES,
)
from shared.engine.fold.batch import Emit
from shared.engine.state.outgoing import KEY_LIMIT
from shared.ids import derived_id, event_id

SOURCE: Final = "huitou/console"
LARGEST_EVENT: Final = 256 << 10
"""Bytes of an event to be sent again."""

_FACTS: Final[tuple[type, ...]] = get_args(CustomerFact)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError)
_REBUILD: Final = (
    "state handed over from another id: a later hand-over may stand before it, so it cannot be put back; "
    "rebuild the service from its log (docs/operations.md)"
)
_decode_command = msgspec.json.Decoder(OutreachCommand).decode
_inner: Final[dict[str, Callable[[bytes], Any]]] = {
    PROFILE_UPDATES.name: msgspec.json.Decoder(ProfileUpdated | Broadcast | Fragment).decode,
    SEGMENT_UPDATES.name: msgspec.json.Decoder(SegmentsUpdated | Broadcast | Fragment).decode,
}


class NoRemedyError(Exception):
    """This letter cannot be replayed so; the message says why and what to do instead."""


class Resend(msgspec.Struct, frozen=True):
    """An event that goes through ingest's intake again."""

    event: dict[str, Any]
    history: bool = False
    """As what happened long ago, by the door through which it came."""


class PutBack(msgspec.Struct, frozen=True):
    """A record to write; `asks` where it is not the letter's own but makes the customer's services look at him again."""

    record: Emit
    asks: bool = False


Remedy = Resend | PutBack


def remedy(letter: Letter, raw: bytes, *, fixed: bytes | None = None, customer: str = "") -> Remedy:
    """What replaying this letter means; NoRemedyError says what is missing or why it cannot be.

    `raw`: its bytes, opened. `fixed`: bytes to take in their place. `customer`: the customer id where its key names none.
    """
    if fixed is None and not letter.rejected and len(raw) >= LONGEST_SEALED:
        raise NoRemedyError("only the first part of the record was kept: give it whole, with --with")
    if letter.rejected:
        return _event(raw if fixed is None else fixed, history=letter.history)
    if letter.topic == CUSTOMER_EVENTS.name:
        return _front(letter, raw, fixed, customer)
    if letter.topic in _inner:
        return _inner_hop(letter, raw, fixed)
    if letter.topic == OUTREACH_COMMANDS.name:
        return _command(letter, raw, fixed)
    if letter.topic == PROVIDER_RECEIPTS.name:
        return PutBack(_record(letter, letter.key or b"", raw if fixed is None else fixed, ()))
    if letter.topic == CONTACT_POINTS.name:
        raise NoRemedyError("a sealed address is not mended by hand: have its source send the contact again")
    raise NoRemedyError(f"topic: {letter.topic} is no input of ours")


def _event(content: bytes, *, history: bool) -> Resend:
    if len(content) > LARGEST_EVENT:
        raise NoRemedyError(f"the event is larger than {LARGEST_EVENT} bytes")
    try:
        event = msgspec.json.decode(content)
    except _UNREADABLE as error:
        raise NoRemedyError(f"the event is no JSON ({type(error).__name__}): give it mended, with --with") from None
    if not isinstance(event, dict):
        raise NoRemedyError("the event is no object: give it mended, with --with")
    return Resend(event, history)


def _front(letter: Letter, raw: bytes, fixed: bytes | None, customer: str) -> PutBack:
    """A fact goes back to the end of its customer's log, where it gets an origin of its own; its id makes it one."""
    value = raw if fixed is None else fixed
    try:
        found = decode_front(value)
    except _UNREADABLE as error:
        reason = "" if isinstance(error, UnicodeDecodeError) else f" ({_said(error)})"
        raise NoRemedyError(f"the record cannot be read{reason}: give it mended, with --with") from None
    if fixed is not None and not isinstance(found, (*_FACTS, Linked)):
        raise NoRemedyError("type: a mended record must be a fact or a link")
    if isinstance(found, Fragment):
        raise NoRemedyError(_REBUILD)
    if isinstance(found, Forwarded):  # by its own id it finds its way again, and gets a mark of its own
        return _fact(found.source.encode(), found.event)
    if not isinstance(found, (*_FACTS, Linked)):
        return _told_to_all(letter, raw, found)
    key = customer.encode() if customer else _key(letter)
    if isinstance(found, Linked):
        return PutBack(Emit(CUSTOMER_EVENTS.name, partition_of(key), key, value))
    return _fact(key, found)


def _fact(key: bytes, fact: Any) -> PutBack:
    return PutBack(Emit(CUSTOMER_EVENTS.name, partition_of(key), key, encode(fact), fact_headers(fact)))


def _inner_hop(letter: Letter, raw: bytes, fixed: bytes | None) -> PutBack:
    """Its origin lies below what the customer's state has seen: not the record goes back, the hop before tells him anew."""
    if fixed is not None:
        raise NoRemedyError(
            "facts between services are absolute and come from the hop before: replay it without --with"
        )
    try:
        found = _inner[letter.topic](raw)
    except _UNREADABLE:
        found = None
    if isinstance(found, Fragment):
        raise NoRemedyError(_REBUILD)
    if isinstance(found, Bundle) or (found is None and letter.customer):
        return PutBack(_asked(letter, _named(letter), found), asks=True)
    if found is None:
        raise NoRemedyError("nobody can tell whom it was about: python -m services.profile resync tells of everybody")
    return _told_to_all(letter, raw, found)


def _told_to_all(letter: Letter, raw: bytes, found: Any) -> PutBack:
    """Time, cuts, policy, declarations and requests: where one customer could not follow, he is asked; else a version goes back as it was."""
    if letter.customer:
        return PutBack(_asked(letter, letter.customer, None), asks=True)
    if isinstance(found, Standing):
        return PutBack(Emit(letter.topic, letter.partition, None, raw))
    if isinstance(found, ResyncRequested | Checkpoint):
        raise NoRemedyError("a request is made anew: python -m services.profile resync, or checkpoint")
    assert isinstance(found, Tick)
    raise NoRemedyError("time goes on by itself: dismiss it")


def _asked(letter: Letter, customer: str, bundle: Any) -> Emit:
    """A fact that changes nothing: every hop takes what was due, and takes the absolute facts of the hop before over.

    As silent as what was lost: a bundle that came of an import makes an import of it, with its baseline.
    """
    happened = [each for step in getattr(bundle, "steps", ()) for each in step.happened]
    silent = [each for each in happened if each.silent]
    fact = TraitsSet(
        id=derived_id("asked", letter.id),
        at=letter.arrived,
        source=SOURCE,
        mode="import" if silent else "live",
        baseline=max((each.baseline or 0 for each in silent), default=None),
        confirmed=bool(silent) and all(each.confirmed for each in silent),
        traits={},
    )
    key = customer.encode()
    return Emit(CUSTOMER_EVENTS.name, partition_of(key), key, encode(fact), fact_headers(fact))


def _command(letter: Letter, raw: bytes, fixed: bytes | None) -> PutBack:
    """The outbox takes a command id once, the ledger what it stands for: put back as often as one likes."""
    value = raw if fixed is None else fixed
    try:
        command = _decode_command(value)
    except _UNREADABLE as error:
        raise NoRemedyError(f"the command cannot be read ({_said(error)}): give it mended, with --with") from None
    own = _name_of(command)
    if fixed is not None:
        _same_command(raw, own)
    same = value == raw and isinstance(command, SendMessage)
    name = own if same else event_id(OUTREACH_COMMANDS.name, letter.id, hashlib.sha256(value).hexdigest())
    headers = cloud_event(command.__struct_config__.tag, id=name, source=SOURCE, at=command.decided_at)
    return PutBack(_record(letter, _key(letter) if letter.key else command.customer.encode(), value, headers))


def _name_of(command: OutreachCommand) -> str:
    """Command id; empty for what tells of a person's silence."""
    return "" if isinstance(command, Suppress | Allow) else command.command_id


def _same_command(raw: bytes, command_id: str) -> None:
    try:
        before = _name_of(_decode_command(raw))
    except _UNREADABLE:
        return
    if before != command_id:
        raise NoRemedyError("command_id: must stay what it was, for it is what makes the message one")


def _record(letter: Letter, key: bytes, value: bytes, headers: Headers) -> Emit:
    return Emit(letter.topic, partition_of(key), key, value, headers)


def _key(letter: Letter) -> bytes:
    if not letter.key:
        raise NoRemedyError("the record named no customer: name him, with --customer")
    if len(letter.key) >= KEY_LIMIT:
        raise NoRemedyError("only the first part of the key was kept: name the customer, with --customer")
    try:
        letter.key.decode()
    except UnicodeDecodeError:
        raise NoRemedyError("the key is no text: name the customer, with --customer") from None
    return letter.key


def _named(letter: Letter) -> str:
    return _key(letter).decode() if letter.key else letter.customer


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
