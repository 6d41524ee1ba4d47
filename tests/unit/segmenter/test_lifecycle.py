"""Stage and warning at the edges of their bounds."""

from __future__ import annotations

import pytest

from services.segmenter.lifecycle import next_edge, stage_at, warned_at
from shared.contract.origin import NEVER
from shared.shop import DAY, Bounds

BOUNDS = Bounds(new=7, silent=30, warning_until=60, churned=90, loyal=180)
START = 20_000 * DAY


@pytest.mark.parametrize(
    ("first_day", "last_day", "elapsed", "stage"),
    [
        (0, 0, 0, "new"),
        (0, 0, 7 * DAY, "new"),
        (0, 0, 7 * DAY + 1, "active"),
        (0, 0, 30 * DAY, "active"),
        (0, 0, 30 * DAY + 1, "silent"),
        (0, 0, 90 * DAY, "silent"),
        (0, 0, 90 * DAY + 1, "churned"),
        (0, 170, 180 * DAY - 1, "active"),
        (0, 170, 180 * DAY, "loyal"),
        (0, 170, 200 * DAY + 1, "silent"),
    ],
)
def test_a_stage_holds_to_the_millisecond(first_day: int, last_day: int, elapsed: int, stage: str) -> None:
    assert stage_at(START + first_day * DAY, START + last_day * DAY, START + elapsed, BOUNDS) == stage


@pytest.mark.parametrize(
    ("quiet", "warned"), [(30 * DAY, False), (30 * DAY + 1, True), (60 * DAY, True), (60 * DAY + 1, False)]
)
def test_the_sleep_warning_holds_from_silence_to_its_end(quiet: int, warned: bool) -> None:  # noqa: FBT001 (a table)
    assert warned_at(START, START + quiet, BOUNDS) is warned


def test_without_orders_there_is_no_stage_no_warning_and_nothing_due() -> None:
    assert stage_at(None, None, START, BOUNDS) == "none"
    assert not warned_at(None, START, BOUNDS)
    assert next_edge(None, None, START, BOUNDS) == NEVER


def test_the_edges_of_a_single_order_come_one_after_the_other_and_end() -> None:
    at, edges = START, []
    while (at := next_edge(START, START, at, BOUNDS)) != NEVER:
        edges.append(at - START)

    assert next_edge(START, START, START + 7 * DAY, BOUNDS) == START + 7 * DAY + 1
    assert edges == [7 * DAY + 1, 30 * DAY + 1, 60 * DAY + 1, 90 * DAY + 1, 180 * DAY]
