"""Rates and waits come from the broker's times, not from when somebody looked."""

from __future__ import annotations

import pytest

from tests.bench.peers.pace import Sample, back_after, cpu_at, pace

SAMPLES = [Sample(1_000, 2.0, 0), Sample(2_000, 3.0, 0), Sample(3_000, 3.5, 0)]


@pytest.mark.parametrize(("at", "expected"), [(0, 2.0), (1_000, 2.0), (1_500, 2.5), (2_500, 3.25), (9_000, 3.5)])
def test_cpu_is_linear_between_two_samples(at: int, expected: float) -> None:
    assert cpu_at(SAMPLES, at) == expected


def test_the_outputs_of_the_first_millisecond_start_the_watch_and_do_not_count() -> None:
    found = pace([1_000, 1_000, 1_000, 1_500, 2_000, 2_000], SAMPLES)

    assert (found.first, found.rate) == (1_000, 3.0)
    assert found.cpu == pytest.approx(1.0 / 3 * 1e5)


def test_a_single_instant_is_no_span() -> None:
    with pytest.raises(ValueError, match="too few"):
        pace([5, 5], SAMPLES)


def test_back_is_the_end_of_the_silence_and_not_what_was_in_flight() -> None:
    stamps = [900, 980, 1_010, 1_130, 2_400, 2_420, 9_000]

    assert back_after(stamps, 1_000) == 1_400


def test_nothing_after_a_kill_is_no_return() -> None:
    with pytest.raises(ValueError, match="no output"):
        back_after([900, 990], 1_000)
