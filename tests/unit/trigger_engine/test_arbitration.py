"""Several rules want one customer: one goes, the others say why not; what waits, and what takes it away."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from services.trigger_engine.state import Use
from shared.contract.bundles import Happened
from shared.ids import command_id
from tests.unit.trigger_engine.story import (
    BIRTHDAY,
    BROWSED,
    DAY,
    DENIED,
    GRANTED,
    HOUR,
    NOON,
    ORDERED,
    REACHABLE,
    REMINDER,
    SILENT,
    WARNING,
    Story,
    at,
    beat,
    entered,
    order,
    policy,
    rule,
)

DUE = NOON + 30 * DAY + 1
QUIET = {"start": "21:00", "end": "09:00"}
NIGHT, MORNING = at("2025-06-02T22:00:00+08:00"), at("2025-06-03T09:00:00+08:00")


def three_at_once(**values: int) -> Story:
    """Reminder, recall and sleep warning fall due at the same instant."""
    whens: dict[str, dict[str, Any]] = {"reminder": REMINDER, "recall": SILENT, "warning": WARNING}
    story = Story(*(rule(name, when, value=values.get(name, 100)) for name, when in whens.items()))
    story.buys(NOON)
    changes = (entered("lifecycle", "silent", DUE), entered("sleep_warning", "yes", DUE))
    story.bundle(story.step(DUE, changes=changes), as_of=DUE + HOUR)
    return story


def test_of_three_at_the_same_instant_the_dearest_goes_and_the_others_are_outranked() -> None:
    story = three_at_once(reminder=50, recall=90, warning=70)

    assert story.verdicts() == [
        ("recall", "send", "sent"),
        ("warning", "skip", "outranked"),
        ("reminder", "skip", "outranked"),
    ]
    assert len(story.commands) == 1


def test_of_equals_the_smaller_rule_id_goes() -> None:
    assert [command.rule for command in three_at_once().commands] == ["recall"]


def test_a_candidate_that_is_skipped_outranks_nobody() -> None:
    no_email = msgspec.structs.replace(REACHABLE, contacts={"phone": "a"})
    story = Story(rule("dear", SILENT, "email", value=900), rule("cheap", WARNING, "sms"), profile=no_email)

    changes = (entered("lifecycle", "silent", NOON), entered("sleep_warning", "yes", NOON))
    story.happens(NOON, changes=changes)

    assert story.verdicts() == [("dear", "skip", "channel"), ("cheap", "send", "sent")]


def test_service_and_marketing_do_not_outrank_each_other() -> None:
    story = Story(rule("thanks", ORDERED, value=900, purpose="service"), rule("offer", ORDERED, value=1))

    story.buys(NOON)

    assert story.verdicts() == [("thanks", "send", "sent"), ("offer", "send", "sent")]


def test_what_waits_outranks_the_cheaper_and_is_outranked_by_none_of_them() -> None:
    dear, cheap = rule("dear", SILENT, value=9), rule("cheap", WARNING, value=5)
    story = Story(dear, cheap, quiet_hours=QUIET)

    story.happens(NIGHT, changes=(entered("lifecycle", "silent", NIGHT),))
    story.happens(NIGHT + HOUR, changes=(entered("sleep_warning", "yes", NIGHT + HOUR),))
    story.tick(MORNING)

    assert story.verdicts() == [
        ("dear", "defer", "quiet-hours"),
        ("cheap", "skip", "outranked"),
        ("dear", "send", "sent"),
    ]


def test_a_dearer_one_may_wait_beside_the_cheaper_and_both_are_decided_together() -> None:
    story = Story(rule("dear", SILENT, value=9), rule("cheap", WARNING, value=5), quiet_hours=QUIET)

    story.happens(NIGHT, changes=(entered("sleep_warning", "yes", NIGHT),))
    story.happens(NIGHT + HOUR, changes=(entered("lifecycle", "silent", NIGHT + HOUR),))
    story.tick(MORNING)

    assert story.verdicts() == [
        ("cheap", "defer", "quiet-hours"),
        ("dear", "defer", "quiet-hours"),
        ("dear", "send", "sent"),
        ("cheap", "skip", "outranked"),
    ]


def test_what_waits_is_not_taken_a_second_time() -> None:
    story = Story(rule("recall", SILENT), quiet_hours=QUIET)

    for hour in range(3):
        story.happens(NIGHT + hour * HOUR, changes=(entered("lifecycle", "silent", NIGHT + hour * HOUR),))

    assert story.verdicts() == [("recall", "defer", "quiet-hours")]


@pytest.mark.parametrize("silent", [False, True], ids=["live", "by import"])
def test_a_purchase_ends_what_waits_for_none(silent: bool) -> None:  # noqa: FBT001
    story = Story(rule("recall", SILENT), rule("birthday", BIRTHDAY), quiet_hours=QUIET)
    bought = NIGHT + HOUR

    story.happens(NIGHT, changes=(entered("lifecycle", "silent", NIGHT),), last_order_id="o1")
    story.happens(bought, order("o2", bought, silent=silent), orders=2, last_order_at=bought, last_order_id="o2")
    story.tick(MORNING)

    assert story.verdicts() == [("recall", "defer", "quiet-hours"), ("recall", "skip", "repurchased")]
    assert (story.last().decided_at, story.last().trigger_key) == (bought, "o1")
    assert story.commands == []


def test_a_purchase_at_the_instant_of_the_decision_ends_it_too() -> None:
    story = Story(rule("recall", SILENT), quiet_hours=QUIET)

    story.happens(NIGHT, changes=(entered("lifecycle", "silent", NIGHT),))
    story.buys(MORNING)

    assert story.last().reason == "repurchased"
    assert story.commands == []


def test_a_purchase_leaves_what_does_not_mean_he_has_not_bought() -> None:
    early = {"on": "birthday", "at": "08:00"}
    story = Story(rule("birthday", early), quiet_hours=QUIET)

    story.happens(NOON, birthday="--06-03")
    story.tick(at("2025-06-03T08:00:00+08:00"))
    story.buys(at("2025-06-03T08:30:00+08:00"))
    story.tick(MORNING)

    assert story.verdicts() == [("birthday", "defer", "quiet-hours"), ("birthday", "send", "sent")]


def test_companions_go_where_their_consent_and_reach_allow_under_their_place() -> None:
    consents = {"sms/marketing": DENIED, "email/marketing": GRANTED}
    profile = msgspec.structs.replace(REACHABLE, consents=consents)
    story = Story(rule("birthday", BIRTHDAY, "staff_task", companions=["sms", "email"]), profile=profile)

    story.happens(NOON, birthday="--06-03")
    story.tick(at("2025-06-03T10:00:00+08:00"))

    assert [(command.channel, command.position) for command in story.commands] == [("staff_task", 0), ("email", 2)]
    ids = tuple(command_id("birthday", "customer-1", "2025", position=position) for position in (0, 2))
    assert story.last().commands == ids


def test_a_touch_with_companions_is_one_unit_of_the_cap() -> None:
    story = Story(
        rule("offer", ORDERED, "email", companions=["sms", "wecom"]),
        caps=[{"count": 2, "hours": 24}],
    )

    for hour in range(3):
        story.buys(NOON + hour * HOUR, f"o{hour}")

    assert Counter(decided.verdict for decided in story.decisions) == {"send": 2, "defer": 1}
    assert len(story.commands) == 6


def test_the_caps_hold_when_many_fall_due_at_once() -> None:
    names = [f"browse-{number:02}" for number in range(20)]
    story = Story(*(rule(name, BROWSED, ttl_hours=500) for name in names), caps=[{"count": 1, "hours": 24}])

    story.happens(NOON, beat("p", NOON))
    for day in range(1, 30):
        story.tick(NOON + day * DAY)

    assert len(story.decisions) == 20
    assert Counter(decided.reason for decided in story.decisions) == {"sent": 1, "outranked": 19}


def test_a_use_comes_back_once_when_the_message_cannot_have_arrived() -> None:
    story = Story(rule("offer", ORDERED), caps=[{"count": 1, "hours": 24}])
    story.buys(NOON, "o1")
    (command,) = story.commands

    failed = Happened(what="message.reported", id="m1", at=NOON, ref=command.command_id, status="failed")
    story.happens(NOON + HOUR, failed)
    assert not story.state.uses
    story.buys(NOON + 2 * HOUR, "o2")
    story.happens(NOON + 3 * HOUR, failed)
    story.buys(NOON + 4 * HOUR, "o3")

    assert [decided.verdict for decided in story.decisions] == ["send", "send", "defer"]
    assert story.state.uses == (Use(NOON + 2 * HOUR, story.commands[1].command_id),)


@pytest.mark.parametrize("status", ["sent", "assumed_sent", "delivered", "opened", "clicked", "replied"])
def test_a_message_that_may_have_arrived_stays_counted(status: str) -> None:
    story = Story(rule("offer", ORDERED), caps=[{"count": 1, "hours": 24}])
    story.buys(NOON, "o1")

    ref = story.commands[0].command_id
    story.happens(NOON + HOUR, Happened(what="message.reported", id="m1", at=NOON, ref=ref, status=status))

    assert len(story.state.uses) == 1


def test_a_new_policy_counts_timers_from_the_facts_and_only_what_is_still_to_come() -> None:
    story = Story(rule("reminder", REMINDER))
    story.buys(NOON)
    story.tick(NOON + 20 * DAY)

    soon = {"on": "since_last_order", "days": 15}
    late = {"on": "since_last_order", "days": 25}
    story.rules(policy(rule("soon", soon), rule("late", late), version=2))
    story.tick(NOON + 25 * DAY + HOUR)
    story.tick(NOON + 31 * DAY)

    assert story.verdicts() == [("late", "send", "sent")]
    assert story.last().policy == 2


def test_a_new_policy_ends_what_waits_for_a_rule_that_is_gone() -> None:
    story = Story(rule("recall", SILENT), rule("browse", BROWSED), quiet_hours=QUIET)
    story.happens(NIGHT, beat("p1", NIGHT), changes=(entered("lifecycle", "silent", NIGHT),))
    story.tick(NIGHT + HOUR)

    story.rules(policy(rule("browse", BROWSED), version=2))
    story.tick(NIGHT + DAY)

    assert story.verdicts() == [
        ("recall", "defer", "quiet-hours"),
        ("recall", "skip", "rule-gone"),
        ("browse", "send", "sent"),
    ]
    assert story.decisions[1].decided_at == NIGHT + HOUR
    assert story.decisions[1].policy == 2


def test_a_new_policy_drops_what_browsing_armed_for_a_rule_that_is_gone() -> None:
    story = Story(rule("browse", BROWSED))
    story.happens(NOON, beat("p1", NOON))

    story.rules(policy(rule("other", BROWSED), version=2))
    story.tick(NOON + DAY)

    assert story.decisions == []


def test_facts_told_before_the_first_policy_are_not_lost() -> None:
    story = Story()
    story.buys(NOON)
    story.tick(NOON + DAY)

    story.rules(policy(rule("reminder", REMINDER)))
    story.tick(DUE)

    assert story.verdicts() == [("reminder", "send", "sent")]
