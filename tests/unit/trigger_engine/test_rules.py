"""Every trigger of the policy: when it raises a candidate, under which key, and when it does not."""

from __future__ import annotations

import pytest

from shared.contract.bundles import Cause
from shared.ids import command_id
from tests.unit.trigger_engine.story import (
    BIRTHDAY,
    BROWSED,
    DAY,
    HOUR,
    MINUTE,
    NOON,
    ORDERED,
    REMINDER,
    SILENT,
    Story,
    at,
    beat,
    entered,
    order,
    rule,
)

DUE = NOON + 30 * DAY + 1


def test_a_reminder_goes_thirty_days_and_a_millisecond_after_the_latest_purchase() -> None:
    story = Story(rule("reminder", REMINDER))

    story.buys(NOON, "o1", total=12345)
    assert story.due == DUE
    story.tick(DUE - 1)
    assert story.decisions == []
    story.tick(DUE + 5 * MINUTE)

    (command,) = story.commands
    assert (command.rule, command.trigger_key, command.channel) == ("reminder", "o1", "sms")
    assert (command.effective_at, command.decided_at, command.send_by) == (DUE, DUE, DUE + 72 * HOUR)
    assert (command.alias, command.field, command.guide) == ("alias-1", "phone", "")
    assert command.command_id == command_id("reminder", "customer-1", "o1")
    assert command.variables["days"] == command.variables["days_since_last_order"] == 30
    assert command.variables["total"] == "123.45"
    assert story.last().commands == (command.command_id,)


def test_a_later_purchase_moves_the_reminder() -> None:
    story = Story(rule("reminder", REMINDER))

    story.buys(NOON, "o1")
    story.buys(NOON + 10 * DAY, "o2")
    story.tick(NOON + 40 * DAY)
    assert story.commands == []
    story.tick(NOON + 41 * DAY)

    assert [command.trigger_key for command in story.commands] == ["o2"]


def test_a_purchase_at_the_very_instant_prevents_the_reminder() -> None:
    story = Story(rule("reminder", REMINDER))

    story.buys(NOON, "o1")
    story.buys(DUE, "o2")

    assert story.decisions == []
    assert story.due == DUE + 30 * DAY + 1


def test_an_event_after_the_due_instant_does_not_hide_it() -> None:
    story = Story(rule("reminder", REMINDER))

    story.buys(NOON, "o1")
    story.buys(DUE + HOUR, "o2")

    assert [(command.trigger_key, command.decided_at) for command in story.commands] == [("o1", DUE)]


def test_a_bundle_takes_the_customers_own_timers_up_to_its_as_of() -> None:
    story = Story(rule("reminder", REMINDER))

    story.buys(NOON)
    story.happens(DUE - HOUR, as_of=DUE + HOUR)

    assert [(command.rule, command.decided_at) for command in story.commands] == [("reminder", DUE)]
    assert story.state.now == DUE + HOUR


def test_a_cancelled_order_takes_the_reminder_back_to_the_one_before() -> None:
    story = Story(rule("reminder", REMINDER))
    cancelled = NOON + 10 * DAY

    story.buys(NOON, "o1")
    story.buys(NOON + 5 * DAY, "o2")
    story.happens(cancelled, cause="correction", orders=1, last_order_at=NOON, last_order_id="o1")
    story.tick(DUE)

    assert [command.trigger_key for command in story.commands] == ["o1"]


def test_an_order_that_is_told_late_arms_nothing_in_the_past() -> None:
    story = Story(rule("reminder", REMINDER), clock=NOON)

    story.happens(NOON, order("o1", NOON - 40 * DAY), orders=1, last_order_at=NOON - 40 * DAY, last_order_id="o1")

    assert story.due > NOON + 365 * DAY
    assert story.decisions == []


def test_entering_a_stage_fires_for_named_causes_only() -> None:
    story = Story(rule("recall", SILENT))

    for cause in ("cuts", "policy", "import", "merge"):
        story.happens(NOON, cause=cause, changes=(entered("lifecycle", "silent", NOON, cause),))
    story.happens(NOON, changes=(entered("lifecycle", "churned", NOON), entered("sleep_warning", "no", NOON)))
    assert story.decisions == []
    story.happens(NOON, changes=(entered("lifecycle", "silent", NOON),), last_order_id="o9")

    assert [(command.rule, command.trigger_key) for command in story.commands] == [("recall", "o9")]


def test_a_rule_may_listen_to_cuts() -> None:
    story = Story(rule("class", {"on": "enters", "dimension": "rfm", "to": "important_keep", "causes": ["cuts"]}))

    story.happens(NOON, cause="cuts", changes=(entered("rfm", "important_keep", NOON, "cuts"),))

    assert story.verdicts() == [("class", "send", "sent")]
    assert story.last().trigger_key == ""


def test_a_birthday_gives_the_guide_a_task_with_an_sms_beside_it() -> None:
    story = Story(rule("birthday", BIRTHDAY, "staff_task", companions=["sms"]), caps=[{"count": 1, "hours": 24}])
    morning = at("2025-06-05T09:30:00+08:00")

    story.happens(NOON, birthday="1990-06-05")
    story.tick(morning)

    task, sms = story.commands
    assert (task.channel, task.template, task.guide, task.field) == ("staff_task", "birthday", "guide-7", "")
    assert (sms.channel, sms.template, sms.position, sms.alias) == ("sms", "birthday-sms", 1, "alias-1")
    assert task.trigger_key == sms.trigger_key == "2025"
    assert task.effective_at == morning
    assert len(story.state.uses) == 1
    assert story.due == at("2026-06-05T09:30:00+08:00")


def test_a_birthday_goes_by_the_customers_own_zone() -> None:
    story = Story(rule("birthday", BIRTHDAY))

    story.happens(NOON, birthday="1990-06-05", zone="America/New_York")

    assert story.due == at("2025-06-05T09:30:00-04:00")


def test_one_birthday_a_year_wherever_he_moves() -> None:
    story = Story(rule("birthday", BIRTHDAY))

    story.happens(NOON, birthday="1990-06-05")
    story.tick(at("2025-06-05T10:00:00+08:00"))
    story.happens(at("2025-06-05T10:00:00+08:00"), zone="America/New_York")
    story.tick(at("2025-06-06T12:00:00+08:00"))

    assert story.verdicts() == [("birthday", "send", "sent"), ("birthday", "skip", "served")]


def test_a_birthday_told_after_its_hour_waits_for_the_next_year() -> None:
    story = Story(rule("birthday", BIRTHDAY))

    story.happens(NOON, birthday="1990-06-02")

    assert story.due == at("2026-06-02T09:30:00+08:00")


def test_long_browsing_without_an_order_fires_a_day_after_the_beat() -> None:
    story = Story(rule("browse", BROWSED))

    story.happens(NOON, beat("p1", NOON, before=5 * MINUTE, after=5 * MINUTE + 1, name="b7"))
    story.tick(NOON + DAY)

    (command,) = story.commands
    assert command.trigger_key == "p1@b7"
    assert command.effective_at == NOON + 24 * HOUR
    assert command.variables["product"] == "p1"


@pytest.mark.parametrize(
    ("before", "after"),
    [(4 * MINUTE, 5 * MINUTE), (5 * MINUTE + 1, 6 * MINUTE), (0, MINUTE)],
    ids=["five minutes are not more than five", "crossed before", "too short"],
)
def test_a_beat_that_does_not_cross_arms_nothing(before: int, after: int) -> None:
    story = Story(rule("browse", BROWSED))

    story.happens(NOON, beat("p1", NOON, before=before, after=after))
    story.tick(NOON + DAY)

    assert story.decisions == []


def test_a_product_is_armed_once_and_again_after_it_has_fired() -> None:
    story = Story(rule("browse", BROWSED))

    story.happens(NOON, beat("p1", NOON, name="b1"))
    story.happens(NOON + HOUR, beat("p1", NOON + HOUR, name="b2"))
    story.tick(NOON + DAY)
    story.tick(NOON + 2 * DAY)
    story.happens(NOON + 3 * DAY, beat("p1", NOON + 3 * DAY, name="b3"))
    story.tick(NOON + 4 * DAY)

    assert len(story.decisions) == 2
    assert [command.trigger_key for command in story.commands] == ["p1@b1", "p1@b3"]


def test_a_beat_told_a_day_late_arms_nothing() -> None:
    story = Story(rule("browse", BROWSED))

    story.happens(NOON, beat("p1", NOON - DAY, name="late"))
    story.happens(NOON, beat("p1", NOON - DAY + 1, name="in time"))
    story.tick(NOON + HOUR)

    assert [command.trigger_key for command in story.commands] == ["p1@in time"]


def test_an_order_takes_all_that_browsing_armed_away() -> None:
    story = Story(rule("browse", BROWSED))

    story.happens(NOON, beat("p1", NOON, name="b1"))
    story.happens(NOON, beat("p2", NOON, name="b2"))
    story.buys(NOON + HOUR)
    story.tick(NOON + DAY)

    assert story.decisions == []


@pytest.mark.parametrize(("orders", "sent"), [(1, 1), (2, 0)], ids=["the first order", "the second"])
def test_thanks_for_the_first_order_only(orders: int, sent: int) -> None:
    story = Story(rule("thanks", ORDERED | {"nth": 1}, "email", purpose="service"))

    story.happens(NOON, order("o1", NOON), orders=orders, last_order_at=NOON, last_order_id="o1")

    assert [command.trigger_key for command in story.commands] == ["o1"] * sent
    assert len(story.state.uses) == 0, "service messages are no marketing"


def test_thanks_for_an_order_that_is_told_late_count_from_the_order() -> None:
    story = Story(rule("thanks", ORDERED, purpose="service"), clock=NOON)

    story.happens(NOON, order("o1", NOON - DAY), orders=1)
    story.happens(NOON, order("o2", NOON - DAY - 1), orders=2)

    assert story.verdicts() == [("thanks", "send", "sent"), ("thanks", "skip", "age")]
    (command,) = story.commands
    assert (command.effective_at, command.decided_at) == (NOON - DAY, NOON)
    assert command.send_by == NOON + 48 * HOUR


@pytest.mark.parametrize(("cause", "effective_at"), [("event", NOON - HOUR), ("time", NOON)])
def test_a_change_counts_from_the_late_fact_that_made_it_but_not_if_time_made_it(
    cause: Cause, effective_at: int
) -> None:
    story = Story(rule("recall", SILENT), clock=NOON)

    story.happens(NOON, order("o1", NOON - HOUR), changes=(entered("lifecycle", "silent", NOON, cause),))

    assert [command.effective_at for command in story.commands] == [effective_at]


def test_a_higher_version_of_an_order_is_no_purchase() -> None:
    story = Story(rule("thanks", ORDERED, purpose="service"), rule("browse", BROWSED))

    story.happens(NOON, beat("p1", NOON))
    story.happens(NOON + HOUR, order("o1", NOON, status="revised"), cause="correction", orders=1, last_order_at=NOON)
    story.tick(NOON + DAY)

    assert story.verdicts() == [("browse", "send", "sent")]
