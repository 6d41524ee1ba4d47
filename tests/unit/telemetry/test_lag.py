"""Lag without ticks: an idle system shows 0, and what waits is told to within one record a partition."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.topics import CUSTOMER_EVENTS, OUTREACH_COMMANDS
from shared.telemetry.lag import LOOK_EVERY_MS, ReaderLag, behind
from shared.telemetry.registry import Registry

EVENTS = (CUSTOMER_EVENTS.name, 3)
COMMANDS = (OUTREACH_COMMANDS.name, 0)


class Read(NamedTuple):
    offset: int
    timestamp: int


@pytest.mark.parametrize("ticks", [True, False])
def test_where_nothing_waits_nothing_is_behind(ticks: bool) -> None:  # noqa: FBT001
    assert behind(0, since=0, now=10_000_000, ticks=ticks) == (0, 0.0)


def test_without_ticks_every_record_counts() -> None:
    assert behind(5, since=1_000, now=4_500, ticks=False) == (5, 3.5)


def test_a_clock_of_another_machine_that_is_ahead_makes_no_negative_lag() -> None:
    assert behind(5, since=9_000, now=4_500, ticks=False) == (5, 0.0)


@given(facts=st.integers(0, 10_000), stuck=st.integers(1, 10_000_000), phase=st.integers(0, 999))
def test_of_a_reader_that_is_stuck_only_facts_count_and_at_most_one_too_few(facts: int, stuck: int, phase: int) -> None:
    """It stopped after a record at 0; ticks follow every second, the first after `phase` ms."""
    ticks = len(range(phase, stuck + 1, 1_000))
    found = behind(facts + ticks, since=0, now=stuck, ticks=True)

    assert found.records <= facts
    assert facts - found.records <= 1
    assert found.seconds == (stuck / 1000 if facts + ticks else 0)


class Gauges:
    """The gauges of one reader, with a clock that the test moves."""

    def __init__(self, *, live: bool = True) -> None:
        self.now = 1_000_000
        self._registry = Registry("notifier")
        self.lag = ReaderLag(self._registry, live=live, now_ms=lambda: self.now)

    def shown(self, place: tuple[str, int]) -> tuple[float, ...] | None:
        """Records and seconds; None where the partition has no series."""
        labels = {"topic": place[0], "partition": str(place[1])}
        names = ("huitou_lag_records", "huitou_lag_seconds")
        values = [self._registry.registry.get_sample_value(name, labels) for name in names]
        return tuple(value for value in values if value is not None) or None


def test_records_wait_until_they_are_taken() -> None:
    gauges = Gauges()
    gauges.lag.begin({COMMANDS: 10})
    gauges.lag.look({COMMANDS: 15}.get)
    gauges.now += 2_000
    waiting = gauges.shown(COMMANDS)
    gauges.lag.took(COMMANDS, [Read(10, gauges.now - 500), Read(12, gauges.now - 400)])
    gauges.lag.look({COMMANDS: 15}.get)
    some = gauges.shown(COMMANDS)
    gauges.lag.took(COMMANDS, [Read(14, gauges.now)])
    gauges.lag.look({COMMANDS: 15}.get)

    none = gauges.shown(COMMANDS)

    # The oldest that waits is younger than the last that was taken.
    assert [waiting, some, none] == [(5, 2.0), (2, 0.4), (0, 0)]


def test_the_age_is_counted_from_when_nothing_waited() -> None:
    gauges = Gauges(live=False)
    gauges.lag.begin({EVENTS: 7})
    gauges.lag.took(EVENTS, [Read(6, gauges.now - 3_600_000)])
    gauges.lag.look({EVENTS: 7}.get)
    gauges.now += LOOK_EVERY_MS
    gauges.lag.look({EVENTS: 8}.get)
    gauges.now += 250

    assert gauges.shown(EVENTS) == (1, 1.25), "not an hour, for which the partition was quiet"


def test_a_tick_on_its_way_is_no_lag() -> None:
    gauges = Gauges()
    gauges.lag.begin({EVENTS: 7})
    gauges.lag.look({EVENTS: 7}.get)
    gauges.now += LOOK_EVERY_MS
    gauges.lag.look({EVENTS: 8}.get)
    gauges.now += 3

    assert gauges.shown(EVENTS) == (0, 1.003)


def test_ends_are_looked_at_once_a_second_and_what_is_taken_meanwhile_waits_no_more() -> None:
    gauges = Gauges(live=False)
    gauges.lag.begin({COMMANDS: 0})
    gauges.lag.look({COMMANDS: 4}.get)
    gauges.now += LOOK_EVERY_MS - 1
    gauges.lag.look({COMMANDS: 9}.get)
    seen = [gauges.shown(COMMANDS)]
    gauges.lag.took(COMMANDS, [Read(2, gauges.now)])
    seen.append(gauges.shown(COMMANDS))
    gauges.lag.took(COMMANDS, [Read(6, gauges.now)])
    seen.append(gauges.shown(COMMANDS))
    gauges.now += 1
    gauges.lag.look({COMMANDS: 9}.get)
    seen.append(gauges.shown(COMMANDS))

    assert [records for records, _ in filter(None, seen)] == [4, 1, 0, 2]


def test_where_no_fetch_has_answered_the_last_look_stands() -> None:
    gauges = Gauges(live=False)
    gauges.lag.begin({COMMANDS: 0})
    gauges.lag.look({COMMANDS: 4}.get)
    gauges.lag.look(lambda _: None)

    assert gauges.shown(COMMANDS) == (4, 0)


def test_partitions_that_are_given_up_are_not_shown_and_those_that_stay_go_on() -> None:
    gauges = Gauges(live=False)
    gauges.lag.begin({COMMANDS: 0, EVENTS: 0})
    gauges.lag.look({COMMANDS: 4, EVENTS: 9}.get)
    gauges.lag.begin({EVENTS: 0})

    assert gauges.shown(COMMANDS) is None
    assert gauges.shown(EVENTS) == (9, 0)
