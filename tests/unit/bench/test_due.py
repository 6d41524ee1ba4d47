"""Lateness counts from the tick that made the instant due, in the customer's own partition."""

from __future__ import annotations

import pytest

from shared.contract.broadcasts import Tick
from shared.contract.codec import encode
from shared.contract.public_records import SegmentChanged
from shared.instants import parse_instant
from shared.shop import Bounds
from tests.bench.due import MINUTE, Ticks, lateness, orders, ticks_of
from tests.oracle.reader import LogRecord

BEGIN = parse_instant("2026-03-02T02:00:00Z")


def _tick(as_of: int, appended: int, *, partition: int = 0) -> LogRecord:
    return LogRecord(partition, 0, appended, None, encode(Tick(as_of)))


def _change(at: int, appended: int, *, cause: str = "time", dimension: str = "lifecycle") -> LogRecord:
    change = SegmentChanged(
        customer="g",
        seq=1,
        dimension=dimension,
        before="active",
        after="silent",
        cause=cause,  # type: ignore[arg-type]
        effective_at=at,
        detected_at=at,
        cuts=0,
    )
    return LogRecord(0, 0, appended, b"g", encode(change))


def test_the_first_tick_at_or_after_an_instant_makes_it_due() -> None:
    ticks = Ticks()
    for as_of, appended in ((100, 2_100), (200, 2_200), (150, 2_250), (300, 2_300)):
        ticks.add(as_of, appended)

    assert [ticks.due(at) for at in (50, 100, 101, 200, 201, 300)] == [2_100, 2_100, 2_200, 2_200, 2_300, 2_300]
    with pytest.raises(ValueError, match="no tick"):
        ticks.due(301)


def test_only_what_time_did_in_that_minute_counts() -> None:
    ticks = ticks_of(
        [
            _tick(BEGIN, BEGIN + 2_000),
            _tick(BEGIN + 1_000, BEGIN + 3_000),
            _tick(BEGIN + MINUTE, BEGIN + MINUTE + 2_000),
            _tick(BEGIN + 5, BEGIN, partition=7),
        ]
    )
    changes = [
        _change(BEGIN + 5, BEGIN + 3_040),
        _change(BEGIN, BEGIN + 2_007),
        _change(BEGIN + 5, BEGIN + 9_000, cause="cuts"),
        _change(BEGIN + 5, BEGIN + 9_000, dimension="sleep_warning"),
        _change(BEGIN + MINUTE, BEGIN + MINUTE + 9_000),
    ]

    assert lateness(changes, ticks, begin=BEGIN) == [40, 7]


def test_the_orders_put_everybodys_silence_into_the_minute_evenly() -> None:
    silent = Bounds().silent * 86_400_000 + 1

    due = [parse_instant(str(one["at"])) + silent for one in orders(600, BEGIN)]

    assert due == [BEGIN + number * 100 for number in range(600)]
