"""Exactly one epoch of the cuts falls into the run, and it falls into the second window."""

from __future__ import annotations

import pytest

from tests.bench.__main__ import MORNING
from tests.bench.chain import MINUTE, SECOND
from tests.bench.versus.readings import Reading
from tests.bench.versus.waits import (
    EPOCH_AFTER_SECONDS,
    GRACE_MS,
    MOST_SECONDS,
    WARM_UP_SECONDS,
    WITH,
    WITHOUT,
    begins,
    plan,
    waits_readings,
)


@pytest.mark.parametrize("seconds", [5.0, 6.0, 30.0, MOST_SECONDS])
def test_ticks_cross_one_minute_and_that_in_the_second_window(seconds: float) -> None:
    settled = MORNING + MINUTE
    latest = settled
    for number in range(3):
        first = begins(MORNING, number, seconds) - GRACE_MS
        crossed = [at for at in range(int(WARM_UP_SECONDS + 2 * seconds)) if (first + at * SECOND) % MINUTE < SECOND]

        assert first > latest
        assert crossed[0] == WARM_UP_SECONDS + seconds + EPOCH_AFTER_SECONDS
        assert len(crossed) == 1
        latest = first + int((WARM_UP_SECONDS + 2 * seconds) * SECOND)


def test_orders_of_the_warm_up_do_not_count_and_the_others_count_in_their_window() -> None:
    run = plan(MORNING, 1, 1.0)
    waits = {order: {None: 9.0, WITHOUT: 0.1, WITH: 0.4}[run.window(due)] for order, due in run.load.due.items()}

    assert waits_readings(run, waits) == {
        f"{WITHOUT}, p50": Reading(100.0, "ms"),
        f"{WITHOUT}, p99": Reading(100.0, "ms"),
        f"{WITH}, p50": Reading(400.0, "ms"),
        f"{WITH}, p99": Reading(400.0, "ms"),
    }


def test_no_two_rounds_share_a_newcomer() -> None:
    first, second = plan(MORNING, 0, 1.0), plan(MORNING, 1, 1.0)

    assert not first.load.due.keys() & second.load.due.keys()
