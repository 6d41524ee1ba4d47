"""A chain has recovered once it is calm and up for a while after the fault, not when the lag happens to be small."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.chaos import Act, Sample
from tests.chaos.run import recoveries

ACT = Act(10.0, 2.0, "stop", "SIGSTOP profile", {})


def samples(*lags: int, up: Sequence[bool] = ()) -> list[Sample]:
    """One each half second from 11.0 s on."""
    ups = [*up, *(True for _ in lags)]
    return [Sample(11.0 + number / 2, lag, ups[number]) for number, lag in enumerate(lags)]


def test_calm_counts_only_after_the_fault_has_ended() -> None:
    assert recoveries([ACT], samples(0, 0, 0, 0, 0)) == (2.0,)


def test_a_peak_afterwards_starts_the_wait_anew() -> None:
    assert recoveries([ACT], samples(0, 0, 0, 5_000, 0, 0, 0)) == (3.0,)


def test_a_process_that_is_down_is_no_recovery() -> None:
    assert recoveries([ACT], samples(0, 0, 0, 0, 0, 0, up=[True, True, False])) == (2.5,)


def test_a_chain_that_never_calms_down_says_so() -> None:
    assert recoveries([ACT], samples(0, 0, 2_000, 2_000, 2_000)) == (-1.0,)
