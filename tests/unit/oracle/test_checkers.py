"""Every checker agrees with a faithful stack and finds a planted difference."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from shared.contract.bundles import Profile, Segments
from shared.contract.codec import encode
from shared.contract.commands import CancelMessage
from shared.contract.dead_letters import DeadLetter
from shared.contract.identity import Unlinked
from shared.contract.public_records import CandidateDecided, SegmentChanged
from tests.oracle.answers import Answer
from tests.oracle.checkers import Report, report
from tests.oracle.outputs import Observed
from tests.unit.oracle.story import Story, at, consent, order, sms, view


def story() -> Story:
    """Ann buys twice and is thanked once, one event comes twice, one record cannot be read, Bob looks at a product."""
    told = (
        Story().tick(at(0)).policy(sms("r", {"on": "ordered", "nth": 1})).tell(consent(), order("o1", at(0, hours=10)))
    )
    told.tell(order("o1", at(0, hours=10))).raw("ann", b"{").tell(view("v1", at(0)), customer="bob")
    return told.tell(order("o2", at(0, hours=11))).tick(at(40))


def faithful(answer: Answer) -> Observed:
    """What a stack without a fault would have answered."""
    ann = answer.customers["ann"]
    [command] = ann.commands
    return Observed(
        acked=frozenset(answer.places.values()),
        profiles={who: one.profile for who, one in answer.customers.items()},
        segments={who: one.segments for who, one in answer.customers.items()},
        snapshots={"ann": ann.segments},
        effects={who: Counter(one.effects) for who, one in answer.customers.items()},
        changes=[
            SegmentChanged(customer="ann", detected_at=0, event="", **msgspec.structs.asdict(moved))
            for moved in ann.changes
        ],
        commands=[msgspec.structs.replace(command, variables={"name": "Ann"})],
        decisions=[CandidateDecided(customer="ann", **msgspec.structs.asdict(decided)) for decided in ann.decisions],
        accepted={command.command_id: 1},
        states={command.command_id: {"sent", "delivered"}},
        dead=[letter(answer.dead[0][1])],
        rejected=frozenset(),
    )


def letter(offset: int) -> DeadLetter:
    return DeadLetter(
        service="profile",
        topic="customer-events-v1",
        partition=0,
        offset=offset,
        customer="ann",
        reason="DecodeError",
        arrived=0,
        sealed="",
    )


def failing(found: Report) -> set[str]:
    return {check.name for check in found.checks if check.failures}


def planted(**wrong: Any) -> Report:
    answer = story().fold()
    return report(answer, msgspec.structs.replace(faithful(answer), **wrong))


def test_a_faithful_stack_passes_every_check() -> None:
    found = planted()
    assert found.ok
    assert found.left_out == ()
    assert [check.name[0] for check in found.checks] == [
        "L",
        "D",
        "S",
        "S",
        "S",
        "C",
        "C",
        "C",
        "P",
        "T",
        "T",
        "c",
        "n",
    ]


def test_repeats_of_identical_records_are_counted_and_allowed() -> None:
    answer = story().fold()
    seen = faithful(answer)
    twice = msgspec.structs.replace(seen, changes=[*(seen.changes or ()), *(seen.changes or ())])
    found = report(answer, twice)
    [changes] = [check for check in found.checks if check.name == "C segment changes"]
    assert found.ok
    assert changes.repeats == len(seen.changes or ()) > 0


def test_what_was_not_given_is_left_out_by_name() -> None:
    found = report(story().fold(), Observed(acked=frozenset()))
    assert [check.name for check in found.checks] == [
        "L accepted facts in the log",
        "cuts at their epochs",
        "no unlinks",
    ]
    assert "P sends" in found.left_out


def test_an_accepted_event_that_is_lost_fails_log_and_conservation() -> None:
    assert failing(planted(acked=frozenset({"lost"}))) == {"L accepted facts in the log", "T conservation"}


@pytest.mark.parametrize(
    "effects",
    [
        {
            "ann": Counter({"e-o1-1": 2, "e-o2-1": 1, f"consent-sms-marketing-True-{at(0)}": 1}),
            "bob": Counter({"v1": 1}),
        },
        {"ann": Counter({"e-o1-1": 1, "e-o2-1": 1, f"consent-sms-marketing-True-{at(0)}": 1})},
    ],
)
def test_an_effect_twice_or_never_is_found(effects: dict[str, Counter[str]]) -> None:
    assert "D one effect per event" in failing(planted(effects=effects))


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"profiles": {"ann": Profile(orders=3), "bob": Profile()}}, "S profiles"),
        ({"profiles": {}}, "S profiles"),
        ({"segments": {"ann": Segments(lifecycle="new"), "bob": Segments()}}, "S segments"),
        ({"snapshots": {}}, "S public snapshots"),
        ({"changes": []}, "C segment changes"),
        ({"decisions": []}, "C decisions"),
        ({"commands": []}, "C commands"),
        ({"dead": [], "acked": frozenset()}, "T dead letters"),
        ({"dead": [letter(5), letter(7)], "acked": frozenset()}, "T dead letters"),
    ],
)
def test_one_planted_difference_fails_one_check(wrong: dict[str, Any], name: str) -> None:
    assert failing(planted(**wrong)) == {name}


def test_one_id_with_two_contents_fails_even_if_one_of_them_is_right() -> None:
    answer = story().fold()
    seen = faithful(answer)
    [decided], [command], changes = list(seen.decisions or ()), list(seen.commands or ()), list(seen.changes or ())
    other = msgspec.structs.replace
    wrong = other(
        seen,
        decisions=[decided, other(decided, reason="cap")],
        commands=[command, other(command, send_by=0)],
        changes=[*changes, other(changes[0], after="loyal")],
    )
    assert failing(report(answer, wrong)) == {"C decisions", "C commands", "C segment changes"}


def test_a_cancellation_that_the_oracle_does_not_know_is_found() -> None:
    answer = story().fold()
    seen = faithful(answer)
    command = answer.customers["ann"].commands[0].command_id
    extra = CancelMessage(command_id=command, customer="ann", reason="?", decided_at=0)
    assert failing(report(answer, msgspec.structs.replace(seen, commands=[*(seen.commands or ()), extra]))) == {
        "C commands"
    }


@pytest.mark.parametrize(
    ("count", "states", "passes"),
    [
        (1, {"sent"}, True),
        (2, {"sent"}, False),
        (0, {"sent"}, False),
        (1, set(), False),
        (0, {"expired"}, True),
        (0, {"assumed_sent"}, True),
        (1, {"assumed_sent"}, True),
        (2, {"assumed_sent"}, False),
    ],
)
def test_sends_by_count_and_state(count: int, states: set[str], *, passes: bool) -> None:
    answer = story().fold()
    command = answer.customers["ann"].commands[0].command_id
    seen = msgspec.structs.replace(faithful(answer), accepted={command: count}, states={command: states})
    assert report(answer, seen).ok is passes


def test_a_message_without_a_command_is_found() -> None:
    answer = story().fold()
    seen = faithful(answer)
    stray = msgspec.structs.replace(seen, accepted={**(seen.accepted or {}), "stray": 1})
    assert failing(report(answer, stray)) == {"P sends"}


@pytest.mark.parametrize("wrong", [{"rejected": frozenset({"v1"})}, {"dead": [letter(5), letter(6)]}, {"effects": {}}])
def test_an_event_with_two_ends_or_none_is_found(wrong: dict[str, Any]) -> None:
    assert "T conservation" in failing(planted(**wrong))


def test_an_unlink_in_the_log_is_never_passed_over() -> None:
    told = story().raw("ann", encode(Unlinked("zoe")))
    answer = told.fold()
    assert failing(report(answer, faithful(answer))) == {"no unlinks"}


def test_examples_are_the_first_ten() -> None:
    found = planted(acked=frozenset(f"lost-{n:02}" for n in range(12)))
    check = found.checks[0]
    assert (check.failures, [one.where for one in check.examples]) == (12, [f"lost-{n:02}" for n in range(10)])
