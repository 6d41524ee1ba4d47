"""What the services answered, as plain dicts from the records of their topics; knows the shapes, judges nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from shared.contract.broadcasts import Broadcast
from shared.contract.bundles import Profile, Segments, SegmentsUpdated
from shared.contract.commands import Allow, CancelMessage, OutreachCommand, Suppress
from shared.contract.dead_letters import DeadLetter
from shared.contract.identity import Fragment
from shared.contract.origin import Origin
from shared.contract.public_records import CandidateDecided, DeliveryDecided, SegmentChanged, SegmentSnapshot
from shared.contract.rejected_events import RejectedEvent
from tests.oracle.reader import LogRecord

_updates = msgspec.json.Decoder(SegmentsUpdated | Broadcast | Fragment).decode
_changes = msgspec.json.Decoder(SegmentChanged).decode
_snapshots = msgspec.json.Decoder(SegmentSnapshot).decode
_commands = msgspec.json.Decoder(OutreachCommand).decode
_decisions = msgspec.json.Decoder(CandidateDecided | DeliveryDecided).decode
_letters = msgspec.json.Decoder(DeadLetter).decode
_rejected = msgspec.json.Decoder(RejectedEvent).decode


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the checkers compare; what is None is left out of the report."""

    acked: frozenset[str] | None = None
    """Ids of the events that ingest has accepted."""
    profiles: dict[str, Profile] | None = None
    segments: dict[str, Segments] | None = None
    snapshots: dict[str, Segments] | None = None
    """The public snapshots of segments-v1."""
    effects: dict[str, Counter[str]] | None = None
    """Customer → event id → number of bundles of different origin that tell of it."""
    changes: Sequence[SegmentChanged] | None = None
    commands: Sequence[OutreachCommand] | None = None
    decisions: Sequence[CandidateDecided] | None = None
    accepted: dict[str, int] | None = None
    """Command id → messages that the providers' sandbox has accepted."""
    states: dict[str, set[str]] | None = None
    """Command id → states that the notifier has announced."""
    dead: Sequence[DeadLetter] | None = None
    rejected: frozenset[str] | None = None
    """Ids that ingest refused after accepting their request."""


class ChainEnd(msgspec.Struct, frozen=True):
    """The latest step of every customer and the count of effects, from segment-updates-v1."""

    profiles: dict[str, Profile]
    segments: dict[str, Segments]
    effects: dict[str, Counter[str]]


def chain_end(records: Iterable[LogRecord]) -> ChainEnd:
    """Of the bundles of one customer the one with the highest origin is the latest; repeats of an origin count once."""
    bundles: dict[str, dict[Origin, SegmentsUpdated]] = defaultdict(dict)
    for record in records:
        bundle = _updates(record.value or b"null")
        if isinstance(bundle, SegmentsUpdated):
            bundles[(record.key or b"").decode()][bundle.origin] = bundle
    end = ChainEnd({}, {}, {})
    for customer, told in bundles.items():
        steps = [step for origin in sorted(told) for step in told[origin].steps]
        end.effects[customer] = Counter(happened.id for step in steps for happened in step.happened)
        if steps:
            end.profiles[customer], end.segments[customer] = steps[-1].profile, steps[-1].segments
    return end


def changes_of(records: Iterable[LogRecord]) -> list[SegmentChanged]:
    """segment-changes-v1."""
    return [_changes(record.value or b"null") for record in records]


def snapshots_of(records: Iterable[LogRecord]) -> dict[str, Segments]:
    """segments-v1: the latest snapshot per customer; one that was taken out is none."""
    found: dict[str, Segments] = {}
    for one in records:
        if one.value:
            told = _snapshots(one.value)
            found[told.customer] = told.segments
        else:
            found.pop((one.key or b"").decode(), None)
    return found


def commands_of(records: Iterable[LogRecord]) -> list[OutreachCommand]:
    """outreach-commands-v1."""
    return [_commands(record.value or b"null") for record in records]


def decisions_of(records: Iterable[LogRecord]) -> tuple[list[CandidateDecided], dict[str, set[str]]]:
    """outreach-decisions-v1: what was decided about candidates, and the states announced per command."""
    told = [_decisions(record.value or b"null") for record in records]
    states: dict[str, set[str]] = defaultdict(set)
    for one in told:
        if isinstance(one, DeliveryDecided):
            states[one.command_id].add(one.state)
    return [one for one in told if isinstance(one, CandidateDecided)], dict(states)


def dead_letters_of(records: Iterable[LogRecord]) -> list[DeadLetter]:
    """dead-letters-v1."""
    return [_letters(record.value or b"null") for record in records]


def rejected_of(records: Iterable[LogRecord]) -> frozenset[str]:
    """rejected-events-v1: the event ids."""
    return frozenset(_rejected(record.value or b"null").id for record in records)


def name_of(command: OutreachCommand) -> str:
    """What tells two commands apart: a cancellation is not the message it cancels."""
    if isinstance(command, Suppress | Allow):
        return f"silence {command.customer} {command.number}"
    return f"cancel {command.command_id}" if isinstance(command, CancelMessage) else f"send {command.command_id}"
