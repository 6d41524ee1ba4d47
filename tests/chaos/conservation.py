"""Checker T written out: what came in at each service equals what was applied, a duplicate or a dead letter; pure."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from shared.contract.broadcasts import Standing, Tick
from shared.contract.bundles import ProfileUpdated
from shared.contract.bundles import SegmentsUpdated as Segmented
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.dead_letters import DeadLetter
from shared.contract.identity import Fragment
from shared.contract.public_records import CandidateDecided
from tests.chaos.chaos import Planted
from tests.oracle.answers import Answer
from tests.oracle.findings import Check, Difference, tally
from tests.oracle.observe import Place
from tests.oracle.reader import LogRecord

LONGEST_KEPT = 500_000
"""Bytes of a dead record that its letter keeps."""
Open = Callable[[str, bytes], bytes]
"""(field, sealed bytes) → the record's bytes; raises if they were not sealed for that field."""

_bundles = msgspec.json.Decoder(ProfileUpdated | Segmented | Tick | Standing | Fragment).decode


class Account(msgspec.Struct, frozen=True):
    """One service's books: `accepted` = `applied` + `duplicates` + `dead`, or something is lost or made up."""

    service: str
    unit: str
    accepted: int
    applied: int
    duplicates: int = 0
    dead: int = 0

    @property
    def difference(self) -> int:
        """Zero."""
        return self.accepted - self.applied - self.duplicates - self.dead


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the topics and the outbox held when everything was at rest; without the records that were planted."""

    acked: Collection[str]
    profile_updates: Mapping[tuple[str, object], int]
    """(customer, origin) → facts that the bundle tells of."""
    segment_updates: Mapping[tuple[str, object], int]
    decisions: int
    """Different ones about candidates."""
    commands: int
    """Different ones to send."""
    outbox: int
    letters: Sequence[DeadLetter]
    planted: Sequence[Planted]


def accounts(answer: Answer, seen: Seen) -> list[Account]:
    """The books of every service, in the order of the chain."""
    fates: Counter[str] = Counter()
    told = 0
    for one in answer.customers.values():
        told += sum(one.effects.values())
        for counts in one.fates.values():
            fates.update(counts)
    dead = Counter(service for service, _ in {(one.service, _place(one)) for one in seen.letters})
    planted = Counter(one.topic for one in seen.planted)
    quiet = fates["applied"] - told
    into_segmenter = sum(seen.profile_updates.values())
    decided = sum(len({decision.id for decision in one.decisions}) for one in answer.customers.values())
    return [
        Account("ingest", "events", len(set(seen.acked)), len(set(seen.acked) & set(answer.places.values()))),
        Account(
            "profile",
            "facts",
            len(answer.places) + len(answer.dead),
            into_segmenter + quiet,
            fates["duplicate"],
            dead["profile"],
        ),
        Account(
            "segmenter",
            "facts",
            into_segmenter + planted["profile-updates-v1"],
            sum(seen.segment_updates.values()),
            dead=dead["segmenter"],
        ),
        Account(
            "trigger_engine",
            "decisions",
            decided + planted["segment-updates-v1"],
            seen.decisions,
            dead=dead["trigger_engine"],
        ),
        Account(
            "notifier", "commands", seen.commands + planted["outreach-commands-v1"], seen.outbox, dead=dead["notifier"]
        ),
    ]


def told_facts(records: Iterable[LogRecord]) -> dict[tuple[str, object], int]:
    """(customer, origin) → facts told, of an inner topic of the chain; bundles written again count once."""
    found: dict[tuple[str, object], int] = {}
    for record in records:
        decoded = _bundles(record.value or b"null")
        if isinstance(decoded, ProfileUpdated | Segmented):
            found[(record.key or b"").decode(), decoded.origin] = sum(len(step.happened) for step in decoded.steps)
    return found


def different_decisions(decisions: Iterable[CandidateDecided]) -> int:
    """By id."""
    return len({one.id for one in decisions})


def different_commands(commands: Iterable[OutreachCommand]) -> int:
    """Messages to send, by id."""
    return len({one.command_id for one in commands if isinstance(one, SendMessage)})


def check_poison(answer: Answer, planted: Sequence[Planted], letters: Sequence[DeadLetter], unseal: Open) -> Check:
    """Every planted record has a dead letter with reason, place and its very bytes, sealed; and nothing else has one."""
    found, by_place = [], {_place(one): one for one in letters}
    expected: dict[Place, Planted | None] = {("customer-events-v1", *place): None for place in answer.dead}
    expected |= {one.place: one for one in planted}
    for place in sorted(expected.keys() | by_place.keys()):
        letter, record = by_place.get(place), expected.get(place)
        where = "/".join(map(str, place))
        if letter is None:
            found.append(Difference(where, "a dead letter", "none"))
        elif place not in expected:
            found.append(Difference(where, "no dead letter", letter.reason))
        elif not letter.reason:
            found.append(Difference(where, "a reason", "none"))
        elif record is not None:
            kept = unseal(where, base64.b64decode(letter.sealed))
            if kept != record.value[:LONGEST_KEPT]:
                found.append(Difference(where, f"{len(record.value)} sealed bytes", f"{len(kept)} others"))
    return tally("T planted poison", len(expected), found, repeats=len(letters) - len(by_place))


def _place(letter: DeadLetter) -> Place:
    return letter.topic, letter.partition, letter.offset
