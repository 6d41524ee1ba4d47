"""When the first window at rest begins."""

from __future__ import annotations

import pytest

from tests.bench.versus.rest import until_first_window

MINUTE = 60_000


@pytest.mark.parametrize(
    ("settled_at", "begins_at"),
    [
        (0, MINUTE + 10_000),
        (40_000, MINUTE + 10_000),
        (54_000, MINUTE + 10_000),
        (56_000, 2 * MINUTE + 10_000),
        (MINUTE, 2 * MINUTE + 10_000),
    ],
)
def test_a_window_begins_after_an_epoch_that_met_all_members(settled_at: int, begins_at: int) -> None:
    assert settled_at / 1000 + until_first_window(settled_at) == begins_at / 1000
