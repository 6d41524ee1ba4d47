"""Which rule wants whom and when (docs/semantics.md, part 4: candidates)."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contract.commands import SendMessage
from shared.ids import command_id, derived_id
from shared.instants import parse_instant, parse_zone
from shared.language.policy import QuietHours
from shared.shop import Shop
from tests.oracle.moments import birthdays, quiet_until
from tests.unit.oracle.story import (
    Story,
    at,
    cancel,
    consent,
    order,
    reported,
    sms,
    traits,
    verdicts,
    view,
)

REMIND = {"on": "since_last_order", "days": 3}
BROWSED = {"on": "browsed", "minutes": 1, "wait_hours": 24}
QUIET = {"start": "21:00", "end": "09:00"}


def told(*rules: dict[str, Any], **more: Any) -> Story:
    """A policy in force since the clock stood at T0, and a customer who may be written to."""
    return Story().tick(at(0)).policy(*rules, **more).tell(consent())


def seen(name: str, start: int, product: str = "p") -> list[Any]:
    """Beats that make the product visible for more than a minute, the third crosses it."""
    return [view(f"{name}{n}", start + n * 40_000, product) for n in range(3)]


def test_a_reminder_goes_one_millisecond_after_its_days() -> None:
    answer = told(sms("r", REMIND)).tell(order("o1", at(0))).tick(at(3)).tick(at(3, minutes=10)).ann()
    assert verdicts(answer) == [("r", "o1", at(3, ms=1), "send", "sent")]
    assert answer.decisions[0].id == derived_id("decision", "ann", "r", "o1", at(3, ms=1))
    assert answer.commands == (
        SendMessage(
            command_id=command_id("r", "ann", "o1"),
            customer="ann",
            rule="r",
            trigger_key="o1",
            channel="sms",
            purpose="marketing",
            template="t-r",
            alias="ann",
            field="phone",
            effective_at=at(3, ms=1),
            decided_at=at(3, ms=1),
            send_by=at(6, ms=1),
            policy=1,
        ),
    )


def test_a_reminder_follows_the_latest_order() -> None:
    answer = told(sms("r", REMIND)).tell(order("o1", at(0))).days(1, 2).tell(order("o2", at(2))).days(3, 6).ann()
    assert verdicts(answer) == [("r", "o2", at(5, ms=1), "send", "sent")]


def test_a_cancelled_order_gives_the_reminder_back_to_the_one_before() -> None:
    story = told(sms("r", REMIND)).tell(order("o1", at(0)), order("o2", at(1))).days(1, 2).tell(cancel("o2", at(2)))
    assert verdicts(story.days(3, 6).ann()) == [("r", "o1", at(3, ms=1), "send", "sent")]


def test_a_late_order_whose_reminder_is_already_past_arms_none() -> None:
    assert told(sms("r", REMIND)).tick(at(10)).tell(order("o1", at(2))).days(11, 20).ann().decisions == ()


@pytest.mark.parametrize(("activated", "expected"), [(at(3), 1), (at(3, ms=1), 0)])
def test_a_new_policy_arms_only_what_lies_above_its_activation(activated: int, expected: int) -> None:
    story = Story().tell(consent(), order("o1", at(0))).tick(activated).policy(sms("r", REMIND))
    assert len(story.days(4, 8).ann().decisions) == expected


def test_a_policy_whose_number_is_not_higher_or_that_is_invalid_is_ignored() -> None:
    story = told(sms("r", REMIND), number=5).policy(number=5).policy(number=4).policy({"id": "?"}, number=6)
    assert len(story.tell(order("o1", at(0))).days(1, 4).ann().decisions) == 1


@pytest.mark.parametrize(
    ("dimension", "to", "when"),
    [
        ("lifecycle", "new", at(0)),
        ("lifecycle", "active", at(7, ms=1)),
        ("lifecycle", "silent", at(30, ms=1)),
        ("sleep_warning", "yes", at(30, ms=1)),
        ("lifecycle", "churned", at(90, ms=1)),
    ],
)
def test_entering_a_segment_fires_at_the_change(dimension: str, to: str, when: int) -> None:
    rule = sms("r", {"on": "enters", "dimension": dimension, "to": to})
    assert verdicts(told(rule).tell(order("o1", at(0))).days(1, 100).ann()) == [("r", "o1", when, "send", "sent")]


def test_entering_by_a_cause_that_the_rule_does_not_name_is_no_candidate() -> None:
    rule = sms("r", {"on": "enters", "dimension": "lifecycle", "to": "silent", "causes": ["event"]})
    assert told(rule).tell(order("o1", at(0))).days(1, 40).ann().decisions == ()


@pytest.mark.parametrize(("nth", "expected"), [(None, ["o1", "o2"]), (1, ["o1"]), (2, ["o2"]), (3, [])])
def test_thanks_go_for_the_nth_order(nth: int | None, expected: list[str]) -> None:
    rule = sms("r", {"on": "ordered"} | ({"nth": nth} if nth else {}))
    answer = told(rule).tick(at(1)).tell(order("o1", at(1)), order("o1", at(1), 9, version=2), order("o2", at(2))).ann()
    assert [(one.trigger_key, one.verdict) for one in answer.decisions] == [(key, "send") for key in expected]


def test_a_product_seen_for_longer_than_the_rule_says_fires_after_the_wait() -> None:
    answer = told(sms("r", BROWSED)).tick(at(1)).tell(*seen("a", at(1))).days(2, 4).ann()
    assert verdicts(answer) == [("r", "p@a2", at(2, ms=80_000), "send", "sent")]


def test_visible_time_of_exactly_the_minutes_does_not_fire() -> None:
    beats = [view("a", at(1)), view("b", at(1, minutes=1))]
    assert told(sms("r", BROWSED)).tell(*beats).days(2, 4).ann().decisions == ()


def test_an_order_cancels_what_was_browsed() -> None:
    assert (
        told(sms("r", BROWSED))
        .tick(at(1))
        .tell(*seen("a", at(1)), order("o1", at(1, hours=2)))
        .days(2, 4)
        .ann()
        .decisions
        == ()
    )


def test_an_armed_product_is_not_armed_again_until_it_fires() -> None:
    story = told(sms("r", BROWSED)).tick(at(1)).tell(*seen("a", at(1)), *seen("b", at(1, hours=23)))
    answer = story.days(2, 4).tell(*seen("c", at(4))).days(5, 6).ann()
    assert [one[1] for one in verdicts(answer)] == ["p@a2", "p@c2"]


def test_two_products_are_armed_each_for_itself_and_one_touch_goes() -> None:
    facts = sorted([*seen("a", at(1)), *seen("b", at(1), "q")], key=lambda fact: fact.at)
    assert verdicts(told(sms("r", BROWSED)).tick(at(1)).tell(*facts).days(2, 4).ann()) == [
        ("r", "p@a2", at(2, ms=80_000), "send", "sent"),
        ("r", "q@b2", at(2, ms=80_000), "skip", "outranked"),
    ]


def test_a_browsed_timer_outlives_a_policy_that_keeps_its_rule_and_no_other() -> None:
    kept = (
        told(sms("r", BROWSED)).tick(at(1)).tell(*seen("a", at(1))).policy(sms("r", BROWSED), number=2).days(2, 4).ann()
    )
    gone = (
        told(sms("r", BROWSED)).tick(at(1)).tell(*seen("a", at(1))).policy(sms("s", BROWSED), number=2).days(2, 4).ann()
    )
    assert ([one.policy for one in kept.decisions], gone.decisions) == ([2], ())


@pytest.mark.parametrize(
    ("birthday", "rule", "expected"),
    [
        ("1990-01-05", {}, [("2025", at(4, hours=9, minutes=30)), ("2026", at(369, hours=9, minutes=30))]),
        ("--01-05", {"at": "08:00"}, [("2025", at(4, hours=8)), ("2026", at(369, hours=8))]),
        ("1990-01-05", {"days_before": 3}, [("2025", at(1, hours=9.5)), ("2026", at(366, hours=9.5))]),
        ("1990-01-02", {"days_before": 5}, [("2026", at(361, hours=9, minutes=30))]),
        ("2000-02-29", {}, [("2025", at(58, hours=9, minutes=30))]),
        ("1990-13-05", {}, []),
        ("tomorrow", {}, []),
    ],
)
def test_birthdays_are_due_every_year(birthday: str, rule: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    story = told(sms("r", {"on": "birthday"} | rule)).tell(traits("t", at(0), birthday=birthday)).days(1, 380)
    assert [(one.trigger_key, one.decided_at) for one in story.ann().decisions] == expected


def test_a_birthday_is_celebrated_in_the_customers_zone_if_it_is_valid() -> None:
    rule = sms("r", {"on": "birthday", "at": "08:00"})
    for zone, hours in (("Asia/Shanghai", 0), ("Nowhere/Land", 8), ("America/New_York", 13)):
        story = told(rule).tell(traits("t", at(0), birthday="--01-05", zone=zone)).days(1, 6)
        assert [one.decided_at for one in story.ann().decisions] == [at(4, hours=hours)]


def test_a_birthday_in_the_gap_of_summer_time_is_due_right_after_it() -> None:
    berlin = parse_zone("Europe/Berlin")
    spring = birthdays("--03-30", days_before=0, at="02:30", zone=berlin)
    autumn = birthdays("--10-26", days_before=0, at="02:30", zone=berlin)
    assert (parse_instant("2025-03-30T01:00:00Z"), 2025) in spring
    assert (parse_instant("2025-10-26T00:30:00Z"), 2025) in autumn


def test_a_day_that_samoa_skipped_begins_with_the_next_one() -> None:
    apia = parse_zone("Pacific/Apia")
    due = birthdays("--12-30", days_before=0, at="09:30", zone=apia)
    assert (parse_instant("2011-12-31T00:00:00+14:00"), 2011) in due


def test_quiet_hours_end_at_the_next_local_end() -> None:
    shanghai, quiet = parse_zone("Asia/Shanghai"), QuietHours(start="21:00", end="09:00")
    asked = ["2025-01-01T20:59:59.999+08:00", "2025-01-01T21:00:00+08:00", "2025-01-02T08:59:00+08:00"]
    morning = parse_instant("2025-01-02T09:00:00+08:00")
    assert [quiet_until(parse_instant(one), quiet, shanghai) for one in asked] == [None, morning, morning]
    assert quiet_until(morning, quiet, shanghai) is None
    noon = QuietHours(start="12:00", end="14:00")
    assert quiet_until(parse_instant("2025-01-01T13:00:00+08:00"), noon, shanghai) == parse_instant(
        "2025-01-01T06:00:00Z"
    )


def test_instants_of_a_fold_are_the_first() -> None:
    due = quiet_until(
        parse_instant("2025-10-25T23:00:00Z"), QuietHours(start="22:00", end="02:30"), parse_zone("Europe/Berlin")
    )
    assert due == parse_instant("2025-10-26T00:30:00Z")


def test_a_repurchase_cancels_what_waits_but_not_what_is_meant_well() -> None:
    rules = (
        sms("r", {"on": "since_last_order", "days": 1}, purpose="service"),
        sms("b", {"on": "birthday", "at": "22:00"}),
    )
    story = told(*rules, quiet_hours=QUIET).tell(traits("t", at(0), birthday="--01-02"), order("o1", at(0, hours=22)))
    answer = story.tick(at(1, hours=23)).tell(order("o2", at(1, hours=23))).tick(at(2, hours=10)).ann()
    assert verdicts(answer) == [
        ("b", "2025", at(1, hours=22), "defer", "quiet-hours"),
        ("r", "o1", at(1, hours=22, ms=1), "defer", "quiet-hours"),
        ("r", "o1", at(1, hours=23), "skip", "repurchased"),
        ("b", "2025", at(2, hours=9), "send", "sent"),
    ]
    assert answer.decisions[0].until == at(2, hours=9)


def test_what_waits_for_a_vanished_rule_is_dropped_with_the_new_number() -> None:
    story = told(sms("r", {"on": "ordered"}), quiet_hours=QUIET).tell(order("o1", at(0, hours=22)))
    answer = story.policy(sms("s", {"on": "ordered"}), number=2).tick(at(2)).ann()
    assert [(one.reason, one.decided_at, one.policy) for one in answer.decisions] == [
        ("quiet-hours", at(0, hours=22), 1),
        ("rule-gone", at(0, hours=22), 2),
    ]


def test_a_failed_message_gives_its_use_back_once() -> None:
    rule = sms("r", {"on": "ordered"})
    story = told(rule, caps=[{"count": 1, "hours": 1000}]).tick(at(1)).tell(order("o1", at(1)))
    story.tell(reported(command_id("r", "ann", "o1"), "failed", at(1)), order("o2", at(1, hours=1)))
    story.tell(reported(command_id("r", "ann", "o1"), "expired", at(2)), order("o3", at(2)))
    assert [(one[1], one[3], one[4]) for one in verdicts(story.ann())] == [
        ("o1", "send", "sent"),
        ("o2", "send", "sent"),
        ("o3", "skip", "cap"),
    ]


def test_the_shops_zone_rules_where_the_customer_has_none() -> None:
    story = Story(shop=Shop(zone="Asia/Tokyo")).tick(at(0)).policy(sms("r", {"on": "ordered"}), quiet_hours=QUIET)
    answer = story.tell(consent(), order("o1", at(0, hours=12))).tick(at(3)).ann()
    assert verdicts(answer) == [
        ("r", "o1", at(0, hours=12), "defer", "quiet-hours"),
        ("r", "o1", at(1), "send", "sent"),
    ]
