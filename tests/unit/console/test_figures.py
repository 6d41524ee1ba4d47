from __future__ import annotations

import pytest

from services.console import shown
from services.console.figures import CHANNELS, Cell, deliveries, per_channel, population, throughput
from services.console.lag import Sample, judge
from shared.instants import parse_zone


def test_population_adds_up_over_each_dimension() -> None:
    cells = [
        Cell("silent", True, "general_keep", 3, 6, 600),
        Cell("silent", False, "general_keep", 2, 2, 200),
        Cell("churned", False, "unclassified", 1, 1, -50),
    ]
    found = population(cells)
    assert (found.customers, found.orders, found.amount, found.sleep_warning) == (6, 9, 750, 3)
    assert found.rfm["general_keep"] == 5
    assert found.rfm["important_value"] == 0, "empty classes are there, too"
    assert found.lifecycle == {"new": 0, "active": 0, "silent": 5, "churned": 1, "loyal": 0}


def test_throughput_is_the_mean_of_the_last_ten_full_seconds() -> None:
    seconds = [(99, "a", 50), (90, "b", 50), (89, "a", 1_000), (100, "a", 9_999), (40, "a", 7), (39, "a", 8)]
    found = throughput([("a", 11_000), ("b", 50)], seconds, 100_500)
    assert found.per_second == 10.0
    assert found.types == {"a": (11_000, 5.0), "b": (50, 5.0)}
    assert found.total == 11_050
    assert (len(found.history), found.history[0], found.history[-1]) == (60, 7, 50)


def test_messages_stand_in_accepted_underway_or_failed_and_channels_add_up() -> None:
    counts = [
        ("r1", "sms", "delivered", 5, 2, 1),
        ("r1", "sms", "assumed_sent", 1, 0, 0),
        ("r1", "sms", "commanded", 2, 0, 0),
        ("r2", "sms", "expired", 3, 0, 0),
        ("r2", "email", "sent", 0, 0, 0),
    ]
    rows = deliveries(counts)
    assert [(row.channel, row.rule) for row in rows] == [("sms", "r1"), ("sms", "r2")]
    assert (rows[0].messages, rows[0].accepted, rows[0].delivered, rows[0].underway) == (8, 6, 5, 2)
    channels = {row.channel: row for row in per_channel(rows)}
    assert tuple(channels) == CHANNELS
    assert (channels["sms"].messages, channels["sms"].failed, channels["sms"].opened) == (11, 3, 2)


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        ([Sample(0, 0, 10, 0.0)], "ok"),
        ([Sample(0, 50, 10, 0.5)], "ok"),
        ([Sample(0, 50, 10, 10.5)], "slow"),
        ([Sample(at, 50, 10 + at, 60.0) for at in (0, 4_000, 8_000)], "slow"),
        ([Sample(at, 50, 10, 3.0) for at in (0, 4_000, 8_000)], "stalled"),
        ([Sample(at, 50, 10, 3.0) for at in (0, 4_000, 7_999)], "ok"),
        ([Sample(0, 0, 10, 0.0), Sample(8_000, 50, 10, 3.0)], "ok"),
        ([Sample(0, 50, 10, 9.0), Sample(8_000, 0, 60, 0.0)], "ok"),
    ],
    ids=[
        "nothing waits",
        "little waits",
        "the oldest record waits too long",
        "late but moving",
        "waits and nothing is committed",
        "stands still for less than the bound",
        "work came just now",
        "caught up",
    ],
)
def test_state_of_a_group(samples: list[Sample], state: str) -> None:
    assert judge(samples) == state


def test_numbers_are_grouped_and_spans_short() -> None:
    assert shown.grouped(1_234_567) == "1,234,567"
    assert shown.money(123_456_789, 2, "CNY") == "CNY 1,234,567"
    assert (shown.rate(0.0), shown.rate(3.25), shown.rate(1234.5)) == ("0", "3.2", "1,234")
    assert (shown.seconds(0.0), shown.seconds(14.23), shown.seconds(132.4)) == ("0", "14.2", "132")
    assert (shown.percent(1, 8), shown.percent(1, 0)) == ("12.5%", "–")


def test_instants_are_shown_on_the_shops_wall_clock() -> None:
    assert shown.day_and_second(1_762_588_805_000, parse_zone("Asia/Shanghai")) == "2025-11-08 16:00:05"
