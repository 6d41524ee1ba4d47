"""Compares the services' answers with the oracle's and names the differences; knows answers, reads no topic."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shared.contract.bundles import Profile, Segments
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.dead_letters import DeadLetter
from shared.contract.public_records import CandidateDecided, SegmentChanged
from shared.contract.topics import CUSTOMER_EVENTS
from tests.oracle.answers import Answer, Decided, Moved
from tests.oracle.cut_check import check_cuts
from tests.oracle.findings import Check, Difference, tally
from tests.oracle.outputs import Observed, name_of

GONE = {"sent", "delivered"}
"""States that say that the provider has the message."""
MAY_NOT_HAVE_GONE = {"assumed_sent", "failed", "expired", "suppressed", "cancelled", "abandoned"}


class Report(msgspec.Struct, frozen=True):
    """All checks that could be made; `left_out` names those whose input was not given."""

    checks: tuple[Check, ...]
    left_out: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """No check found a difference."""
        return all(check.failures == 0 for check in self.checks)


def report(answer: Answer, observed: Observed) -> Report:
    """Every checker whose input was observed, in the order L D S C P T, cuts, hand-overs."""
    seen = observed
    wanted: list[tuple[str, tuple[object, ...], Callable[..., Check]]] = [
        ("L accepted facts in the log", (seen.acked,), check_log),
        ("D one effect per event", (seen.effects,), check_effects),
        ("S profiles", (seen.profiles,), check_profiles),
        ("S segments", (seen.segments,), check_segments),
        ("S public snapshots", (seen.snapshots,), check_snapshots),
        ("C segment changes", (seen.changes,), check_changes),
        ("C decisions", (seen.decisions,), check_decisions),
        ("C commands", (seen.commands,), check_commands),
        ("P sends", (seen.accepted, seen.states), check_sends),
        ("T conservation", (seen.acked, seen.effects, seen.dead, seen.rejected), check_conservation),
        ("T dead letters", (seen.dead,), check_dead_letters),
        ("cuts at their epochs", (), check_cuts),
        ("no unlinks", (), check_unlinks),
    ]
    ready = [(name, given, check) for name, given, check in wanted if None not in given]
    checks = tuple(msgspec.structs.replace(check(answer, *given), name=name) for name, given, check in ready)
    left_out = tuple(name for name, given, _ in wanted if None in given)
    return Report(checks, left_out)


def check_log(answer: Answer, acked: frozenset[str]) -> Check:
    """L: every accepted event stands in the log."""
    missing = sorted(acked - set(answer.places.values()))
    return tally("L", len(acked), [Difference(event, "in the log", "missing") for event in missing])


def check_effects(answer: Answer, effects: Mapping[str, Counter[str]]) -> Check:
    """D: every event is told on exactly as often as it must be: once, duplicates never."""
    expected = {(who, event): n for who, one in answer.customers.items() for event, n in one.effects.items()}
    got = {(who, event): n for who, counts in effects.items() for event, n in counts.items()}
    return _compare("D", expected, got, missing=0)


def check_profiles(answer: Answer, profiles: Mapping[str, Profile]) -> Check:
    """S: the profile of every customer."""
    return _compare("S", {who: one.profile for who, one in answer.customers.items() if one.steps}, profiles)


def check_segments(answer: Answer, segments: Mapping[str, Segments]) -> Check:
    """S: stage, warning, scores and class of every customer."""
    expected = {who: _standing(one.segments) for who, one in answer.customers.items() if one.steps}
    return _compare("S", expected, {who: _standing(one) for who, one in segments.items()})


def check_snapshots(answer: Answer, snapshots: Mapping[str, Segments]) -> Check:
    """S: the public snapshots; who has never left the start needs none."""
    expected = {who: _standing(one.shown) for who, one in answer.customers.items() if one.steps}
    return _compare("S", expected, {who: _standing(one) for who, one in snapshots.items()}, missing=Segments())


def _standing(segments: Segments) -> Segments:
    """Without the epoch by which he was scored last, which depends on how often he was looked at."""
    return msgspec.structs.replace(segments, cuts=0)


def check_changes(answer: Answer, changes: Sequence[SegmentChanged]) -> Check:
    """C: the same changes with the same sequence numbers; a number with two contents is a failure."""
    expected = {(who, moved.seq): {moved} for who, one in answer.customers.items() for moved in one.changes}
    got = (((c.customer, c.seq), _moved(c)) for c in changes)
    return _compare_sets("C", expected, got)


def _moved(change: SegmentChanged) -> Moved:
    return msgspec.convert(msgspec.structs.asdict(change), Moved)


def check_decisions(answer: Answer, decisions: Sequence[CandidateDecided]) -> Check:
    """C: the same decisions with rule, trigger key, instants, verdict and reason."""
    expected: dict[tuple[str, str], set[Decided]] = defaultdict(set)
    for who, one in answer.customers.items():
        for decided in one.decisions:
            expected[who, decided.id].add(decided)
    got = (((d.customer, d.id), msgspec.convert(msgspec.structs.asdict(d), Decided)) for d in decisions)
    return _compare_sets("C", expected, got)


def check_commands(answer: Answer, commands: Sequence[OutreachCommand]) -> Check:
    """C: the same commands with the same content, but for the variables of the template."""
    expected = {name_of(c): {_content(c)} for one in answer.customers.values() for c in (*one.commands, *one.silences)}
    return _compare_sets("C", expected, ((name_of(command), _content(command)) for command in commands))


def _content(command: OutreachCommand) -> bytes:
    bare = msgspec.structs.replace(command, variables={}) if isinstance(command, SendMessage) else command
    return msgspec.json.encode(bare)


def check_sends(answer: Answer, accepted: Mapping[str, int], states: Mapping[str, set[str]]) -> Check:
    """P: the providers took every message at most once, and exactly once where nothing says it may not have gone."""
    commands = {command.command_id for one in answer.customers.values() for command in one.commands}
    found = []
    for command in sorted(commands | set(accepted)):
        count, told = accepted.get(command, 0), states.get(command, set())
        if count > 1:
            found.append(Difference(command, "accepted at most once", f"accepted {count} times"))
        if command not in commands:
            found.append(Difference(command, "no such command", f"accepted {count} times"))
        elif not told & (GONE | MAY_NOT_HAVE_GONE):
            found.append(Difference(command, "an end", f"states {sorted(told)}"))
        elif count == 0 and not told & MAY_NOT_HAVE_GONE:
            found.append(Difference(command, "accepted once", f"never accepted, states {sorted(told)}"))
    return tally("P", len(commands), found)


def check_conservation(
    answer: Answer,
    acked: frozenset[str],
    effects: Mapping[str, Counter[str]],
    dead: Sequence[DeadLetter],
    rejected: frozenset[str],
) -> Check:
    """T: every accepted event ends in exactly one of applied, duplicate, dead letter and rejected."""
    fates: dict[str, Counter[str]] = defaultdict(Counter)
    for one in answer.customers.values():
        for event, counts in one.fates.items():
            fates[event] += counts
    loud = {event for one in answer.customers.values() for event in one.effects}
    told = {event for counts in effects.values() for event, count in counts.items() if count}
    buried = {answer.places.get((one.partition, one.offset)) for one in dead if one.topic == CUSTOMER_EVENTS.name}
    found = []
    for event in sorted(acked):
        ends = {
            "applied": event in told or (event not in loud and fates[event]["applied"] > 0),
            "duplicate": fates[event]["duplicate"] > 0 and fates[event]["applied"] == 0,
            "dead letter": event in buried,
            "rejected": event in rejected,
        }
        reached = [name for name, holds in ends.items() if holds]
        if len(reached) != 1:
            found.append(Difference(event, "exactly one end", ", ".join(reached) or "none"))
    return tally("T", len(acked), found)


def check_dead_letters(answer: Answer, dead: Sequence[DeadLetter]) -> Check:
    """T: dead letters for exactly those records that nobody can take."""
    letters = [((one.topic, one.partition, one.offset), True) for one in dead]
    expected = {(CUSTOMER_EVENTS.name, partition, offset): {True} for partition, offset in answer.dead}
    return _compare_sets("T", expected, letters)


def check_unlinks(answer: Answer) -> Check:
    """Unlinks are not folded: with any of them in the log the other checks prove nothing."""
    found = [Difference(f"{p}/{offset}", "no unlink in the log", "an unlink") for p, offset in answer.unlinks]
    return tally("unlinks", len(answer.places), found)


def _compare(
    name: str, expected: Mapping[Any, object], got: Mapping[Any, object], missing: object = "missing"
) -> Check:
    keys = sorted(set(expected) | set(got))
    pairs = [(key, expected.get(key, missing), got.get(key, missing)) for key in keys]
    return tally(name, len(keys), [Difference(_text(key), str(a), str(b)) for key, a, b in pairs if a != b])


def _compare_sets(name: str, expected: Mapping[Any, set[Any]], got: Iterable[tuple[Any, Any]]) -> Check:
    """Contents by key: a repeat of the same content is allowed and counted, another content under the key is not."""
    contents: dict[Any, set[Any]] = defaultdict(set)
    total = 0
    for key, content in got:
        contents[key].add(content)
        total += 1
    nothing: set[Any] = set()
    keys = sorted(set(expected) | set(contents))
    pairs = [(key, expected.get(key, nothing), contents.get(key, nothing)) for key in keys]
    found = [
        Difference(_text(key), _text(sorted(map(str, a))), _text(sorted(map(str, b)))) for key, a, b in pairs if a != b
    ]
    return tally(name, len(keys), found, repeats=total - sum(len(one) for one in contents.values()))


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return " ".join(str(part) for part in value) or "missing"
    return str(value)
