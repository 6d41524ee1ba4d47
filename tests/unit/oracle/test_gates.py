"""What lets a candidate go and what holds it (docs/semantics.md, part 4: arbitration)."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contract.facts import ConsentSet, CustomerFact, TraitsSet
from shared.ids import command_id, share_of
from tests.unit.oracle.story import Story, at, consent, order, sms, traits, verdicts

THANKS = {"on": "ordered"}
SILENT = {"on": "enters", "dimension": "lifecycle", "to": "silent"}
QUIET = {"start": "21:00", "end": "09:00"}


def reason(*facts: CustomerFact, rule: dict[str, Any], **more: Any) -> str:
    """Why the first order's candidate of this rule was decided as it was."""
    story = Story().tick(at(0)).policy(rule, **more).tell(*facts, order("o1", at(0, hours=1)))
    return story.ann().decisions[0].reason


def touch(channel: str, *companions: str) -> dict[str, Any]:
    named = [{"channel": one, "template": f"t-{one.removesuffix('_task')}"} for one in (channel, *companions)]
    return {"message": named[0], "companions": named[1:]}


def contact(*fields: str, guide: str = "") -> TraitsSet:
    return TraitsSet(id="contact", at=at(0), contacts=fields, traits={"guide": guide} if guide else {})


def permit(channel: Any, *, granted: bool = True, purpose: Any = "marketing") -> ConsentSet:
    return ConsentSet(id=f"permit-{channel}", at=at(0), channel=channel, purpose=purpose, granted=granted)


@pytest.mark.parametrize(
    ("facts", "purpose", "expected"),
    [
        ([], "marketing", "consent"),
        ([consent()], "marketing", "sent"),
        ([consent(granted=False)], "marketing", "consent"),
        ([consent("email")], "marketing", "consent"),
        ([consent(purpose="service")], "marketing", "consent"),
        ([consent(), consent("all", granted=False)], "marketing", "suppressed"),
        ([consent(), consent("all", "service", granted=False)], "marketing", "sent"),
        ([contact("phone")], "service", "sent"),
        ([contact("phone"), permit("sms", granted=False, purpose="service")], "service", "consent"),
        ([contact("phone"), consent("all", "service", granted=False)], "service", "suppressed"),
        ([contact("phone"), consent("all", "marketing", granted=False)], "service", "sent"),
        ([], "service", "channel"),
    ],
)
def test_consent_by_purpose(facts: list[CustomerFact], purpose: str, expected: str) -> None:
    assert reason(*facts, rule=sms("r", THANKS, purpose=purpose)) == expected


@pytest.mark.parametrize(
    ("channel", "facts", "expected"),
    [
        ("sms", [permit("sms")], "channel"),
        ("email", [permit("email"), contact("phone")], "channel"),
        ("email", [permit("email"), contact("email")], "sent"),
        ("wecom", [permit("wecom"), contact("external_userid")], "channel"),
        ("wecom", [permit("wecom"), contact(guide="g")], "channel"),
        ("wecom", [permit("wecom"), contact("external_userid", guide="g")], "sent"),
        ("staff_task", [], "channel"),
        ("staff_task", [contact(guide="g")], "sent"),
    ],
)
def test_reach_by_channel(channel: str, facts: list[CustomerFact], expected: str) -> None:
    assert reason(*facts, rule=sms("r", THANKS, touches=[touch(channel)])) == expected


def test_the_first_touch_that_may_and_can_is_taken_with_its_companions() -> None:
    rule = sms("r", THANKS, touches=[touch("email"), touch("staff_task", "email", "sms", "wecom"), touch("sms")])
    facts: list[CustomerFact] = [permit("sms"), permit("wecom"), permit("email"), contact("phone", guide="g")]
    answer = Story().tick(at(0)).policy(rule).tell(*facts, order("o1", at(0))).ann()
    sent = [(one.position, one.channel, one.field, one.alias, one.guide) for one in answer.commands]
    assert sent == [(0, "staff_task", "", "", "g"), (2, "sms", "phone", "ann", "")]
    assert answer.decisions[0].commands == tuple(command_id("r", "ann", "o1", position=n) for n in (0, 2))


def test_half_a_person_waits_for_the_next_step() -> None:
    story = Story().tick(at(0)).policy(sms("r", THANKS)).tell(consent(), order("o1", at(0), aliases=("weak",)))
    assert verdicts(story.tell(traits("t", at(0, hours=1))).ann()) == [
        ("r", "o1", at(0), "defer", "half-person"),
        ("r", "o1", at(0, hours=1), "defer", "half-person"),
    ]
    assert story.ann().decisions[0].until is None


@pytest.mark.parametrize(
    ("imported", "expected"),
    [
        ({"mode": "import"}, ["import", "import"]),
        ({"mode": "import", "baseline": at(40), "confirmed": True}, ["import", "import"]),
        ({"mode": "import", "baseline": at(20), "confirmed": True}, ["import", "sent"]),
        ({"mode": "import", "baseline": at(20)}, ["import", "import"]),
    ],
)
def test_an_import_is_silent_and_later_timers_need_baseline_and_confirmation(
    imported: dict[str, Any], expected: list[str]
) -> None:
    rules = (sms("r", THANKS), sms("s", SILENT))
    story = Story().tick(at(0)).policy(*rules).tell(consent(), order("o1", at(0), **imported)).days(1, 31)
    assert [one.reason for one in story.ann().decisions] == expected


def test_a_live_order_lifts_the_missing_confirmation() -> None:
    story = Story().tick(at(0)).policy(sms("s", SILENT)).tell(consent(), order("o1", at(0), mode="import"))
    story.days(1, 5).tell(order("o2", at(5)))
    assert verdicts(story.days(6, 40).ann()) == [("s", "o2", at(35, ms=1), "send", "sent")]


def test_the_baseline_includes_its_own_instant() -> None:
    past: dict[str, Any] = {"mode": "import", "confirmed": True}
    for baseline, expected in ((at(30), "sent"), (at(30, ms=1), "import")):
        story = Story().tick(at(0)).policy(sms("s", SILENT))
        story.tell(consent(), order("o1", at(0), baseline=baseline, **past))
        assert story.days(1, 31).ann().decisions[0].reason == expected


@pytest.mark.parametrize(("tick", "expected"), [(at(31, ms=1), "sent"), (at(31, ms=2), "age")])
def test_what_is_found_too_late_does_not_go(tick: int, expected: str) -> None:
    story = Story().tick(at(0)).policy(sms("s", SILENT)).tell(consent(), order("o1", at(0)))
    assert story.tick(tick).ann().decisions[0].reason == expected


@pytest.mark.parametrize(("clock", "expected"), [(at(1, hours=1), "sent"), (at(1, hours=1, ms=1), "age")])
def test_a_late_report_has_the_age_of_its_event(clock: int, expected: str) -> None:
    story = Story().tick(at(0)).policy(sms("r", THANKS)).tell(consent()).tick(clock).tell(order("o1", at(0, hours=1)))
    [decided] = story.ann().decisions
    assert (decided.reason, decided.effective_at, decided.decided_at) == (expected, at(0, hours=1), clock)


def test_the_age_gate_does_not_look_again_at_what_waited() -> None:
    story = Story().tick(at(0)).policy(sms("r", THANKS), quiet_hours=QUIET, max_trigger_age_hours=1)
    answer = story.tell(consent(), order("o1", at(0, hours=21))).tick(at(2)).ann()
    assert [(one.decided_at, one.reason) for one in answer.decisions] == [
        (at(0, hours=21), "quiet-hours"),
        (at(1, hours=9), "sent"),
    ]


@pytest.mark.parametrize(("purpose", "expected"), [("marketing", "holdout"), ("service", "sent")])
def test_the_holdout_holds_marketing_alone(purpose: str, expected: str) -> None:
    share = share_of("salt", "ann")
    rule = sms("r", THANKS, purpose=purpose)
    held = reason(consent(), rule=rule, holdout={"salt": "salt", "share": share + 0.001})
    free = reason(consent(), rule=rule, holdout={"salt": "salt", "share": share})
    assert (held, free) == (expected, "sent")


def test_what_was_served_is_not_served_again() -> None:
    birthday = sms("r", {"on": "birthday", "at": "08:00"}, purpose="service")
    story = Story().tick(at(0)).policy(birthday).tell(consent(), traits("1", at(0), birthday="--01-03")).days(1, 4)
    story.tell(traits("2", at(4), birthday="--01-06")).days(5, 8)
    assert verdicts(story.ann()) == [
        ("r", "2025", at(2, hours=8), "send", "sent"),
        ("r", "2025", at(5, hours=8), "skip", "served"),
    ]


def test_of_three_that_fall_due_together_the_most_valuable_goes() -> None:
    rules = (
        sms("warning", {"on": "enters", "dimension": "sleep_warning", "to": "yes"}, value=10),
        sms("reminder", {"on": "since_last_order", "days": 30}, value=30),
        sms("recall", SILENT, value=20),
    )
    answer = Story().tick(at(0)).policy(*rules).tell(consent(), order("o1", at(0))).days(1, 31).ann()
    assert verdicts(answer) == [
        ("reminder", "o1", at(30, ms=1), "send", "sent"),
        ("recall", "o1", at(30, ms=1), "skip", "outranked"),
        ("warning", "o1", at(30, ms=1), "skip", "outranked"),
    ]


def test_of_equal_values_the_smaller_rule_goes_and_service_stands_apart() -> None:
    rules = (sms("b", THANKS), sms("a", THANKS), sms("c", THANKS, purpose="service"), sms("d", THANKS, value=999))
    blocked = [sms("d", THANKS, value=999, touches=[touch("email")]), *rules[:3]]
    answer = Story().tick(at(0)).policy(*blocked).tell(consent(), order("o1", at(0))).ann()
    assert [(one[0], one[4]) for one in verdicts(answer)] == [
        ("d", "consent"),
        ("a", "sent"),
        ("b", "outranked"),
        ("c", "sent"),
    ]


@pytest.mark.parametrize(("later", "expected"), [(50, "outranked"), (100, "outranked"), (150, "quiet-hours")])
def test_a_waiting_candidate_outranks_lower_ones_that_come_later(later: int, expected: str) -> None:
    rules = (sms("a", THANKS | {"nth": 1}, value=100), sms("b", THANKS | {"nth": 2}, value=later))
    story = Story().tick(at(0)).policy(*rules, quiet_hours=QUIET)
    answer = story.tell(consent(), order("o1", at(0, hours=21)), order("o2", at(0, hours=22))).ann()
    assert [(one[0], one[4]) for one in verdicts(answer)] == [("a", "quiet-hours"), ("b", expected)]


def test_what_waited_beyond_its_time_has_expired() -> None:
    story = Story().tick(at(0)).policy(sms("r", THANKS, ttl_hours=12), quiet_hours=QUIET)
    story.tell(consent(), order("o1", at(0, hours=20, minutes=59, ms=59_999)), order("o2", at(0, hours=21)))
    shorter = Story().tick(at(0)).policy(sms("r", THANKS, ttl_hours=11), quiet_hours=QUIET)
    shorter.tell(consent(), order("o1", at(0, hours=21)))
    assert [(one[1], one[2], one[4]) for one in verdicts(story.tick(at(2)).ann())] == [
        ("o1", at(0, hours=20, minutes=59, ms=59_999), "sent"),
        ("o2", at(0, hours=21), "quiet-hours"),
        ("o2", at(1, hours=9), "sent"),
    ]
    assert [one[4] for one in verdicts(shorter.tick(at(2)).ann())] == ["quiet-hours", "expired"]


def test_a_full_cap_defers_until_a_use_has_left_it() -> None:
    story = Story().tick(at(0)).policy(sms("r", THANKS), caps=[{"count": 2, "hours": 10}])
    story.tell(consent(), *(order(f"o{n}", at(0, hours=n)) for n in range(3))).tick(at(1))
    assert [(one[1], one[2], one[4]) for one in verdicts(story.ann())] == [
        ("o0", at(0), "sent"),
        ("o1", at(0, hours=1), "sent"),
        ("o2", at(0, hours=2), "cap"),
        ("o2", at(0, hours=10), "sent"),
    ]


def test_of_several_caps_the_longest_wait_counts_and_none_beyond_the_time_to_live() -> None:
    caps: dict[str, Any] = {"caps": [{"count": 1, "hours": 5}], "min_gap_hours": 8}
    for ttl, expected in ((7, ("defer", at(0, hours=8))), (6, ("skip", None))):
        story = Story().tick(at(0)).policy(sms("r", THANKS, ttl_hours=ttl), **caps)
        story.tell(consent(), order("o1", at(0)), order("o2", at(0, hours=1)))
        last = story.ann().decisions[-1]
        assert (last.verdict, last.until, last.reason) == (*expected, "cap")


def test_service_messages_know_no_caps_but_quiet_hours() -> None:
    rule = sms("r", THANKS, purpose="service")
    story = Story().tick(at(0)).policy(rule, caps=[{"count": 1, "hours": 99}], quiet_hours=QUIET)
    story.tell(consent(), *(order(f"o{n}", at(0, hours=10 * n + 1)) for n in range(3)))
    assert [one[4] for one in verdicts(story.ann())] == ["quiet-hours", "sent", "sent", "quiet-hours"]


def test_a_candidate_that_waits_is_not_taken_a_second_time() -> None:
    rule = sms("r", {"on": "enters", "dimension": "lifecycle", "to": "new", "causes": ["event", "correction"]})
    story = Story().tick(at(0)).policy(rule, quiet_hours=QUIET).tell(consent(), order("o1", at(0, hours=21)))
    story.tell(order("o1", at(0, hours=21), version=2), order("o1", at(0, hours=21), version=3))
    assert [one[4] for one in verdicts(story.tick(at(1)).ann())] == ["quiet-hours"]
