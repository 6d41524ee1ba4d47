"""A build that is five per cent slower is found; one that is the same is not called slower."""

from __future__ import annotations

import random

import pytest

from tests.bench.versus.readings import (
    ARMS,
    Arm,
    Compared,
    Quartiles,
    Reading,
    Readings,
    Round,
    compared,
    quartiles,
    verdict,
)

QUIET = Quartiles(0.99, 1.0, 1.01)
PAIRS = 7


def rounds_of(factor: float, *, noise: float, more: bool = False, seed: int = 1) -> list[Round]:
    """Rounds of a machine that drifts by a third, with `noise` of its own on every run."""
    rnd = random.Random(seed)

    def run(arm: Arm, number: int) -> Readings:
        value = 100 * (1 + number / 20) * (factor if arm == "this" else 1) * (1 + rnd.gauss(0, noise))
        return {"figure": Reading(value, "s", more_is_better=more)}

    return [{arm: run(arm, number) for arm in ARMS} for number in range(PAIRS)]


def only(rounds: list[Round]) -> Compared:
    [one] = compared(rounds)
    return one


@pytest.mark.parametrize("seed", range(20))
def test_a_cost_five_per_cent_above_is_slower_on_a_machine_that_drifts_by_a_third(seed: int) -> None:
    one = only(rounds_of(1.05, noise=0.005, seed=seed))

    assert one.verdict == "slower"
    assert one.ratio.middle == pytest.approx(1.05, abs=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_a_rate_five_per_cent_below_is_slower(seed: int) -> None:
    assert only(rounds_of(0.95, noise=0.005, more=True, seed=seed)).verdict == "slower"


@pytest.mark.parametrize("seed", range(20))
def test_the_same_build_is_not_slower_and_its_ratio_is_one(seed: int) -> None:
    one = only(rounds_of(1.0, noise=0.005, seed=seed))

    assert one.verdict == "not slower"
    assert one.ratio.middle == pytest.approx(1.0, abs=0.01)
    assert one.again.middle == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("more", "factor"), [(True, 1.2), (False, 0.8)])
def test_a_better_build_is_not_slower(*, more: bool, factor: float) -> None:
    assert only(rounds_of(factor, noise=0.01, more=more)).verdict == "not slower"


@pytest.mark.parametrize(
    ("ratio", "again", "more", "said"),
    [
        (Quartiles(0.96, 0.97, 0.98), QUIET, True, "not slower"),
        (Quartiles(0.95, 0.969, 0.98), QUIET, True, "slower"),
        (Quartiles(1.02, 1.03, 1.04), QUIET, False, "not slower"),
        (Quartiles(1.02, 1.031, 1.04), QUIET, False, "slower"),
        (Quartiles(0.9, 1.1, 1.2), Quartiles(0.8, 1.0, 1.2), False, "within the noise"),
        (Quartiles(0.9, 1.1, 1.2), Quartiles(0.9, 1.0, 1.1), False, "slower"),
        (Quartiles(1.01, 1.1, 1.2), Quartiles(0.8, 1.0, 1.2), False, "slower"),
    ],
)
def test_over_the_bound_only_quartiles_that_hold_one_and_are_no_wider_excuse(
    ratio: Quartiles, again: Quartiles, *, more: bool, said: str
) -> None:
    assert verdict(ratio, again, more_is_better=more) == said


def test_a_ratio_is_taken_against_both_runs_of_the_base() -> None:
    readings: dict[Arm, float] = {"base": 100.0, "again": 121.0, "this": 110.0}
    one = only([{arm: {"figure": Reading(value, "s")} for arm, value in readings.items()}])

    assert one.ratio.middle == pytest.approx(1.0)
    assert one.again.middle == pytest.approx(1.21)


def test_a_small_share_and_what_is_not_judged_are_shown() -> None:
    run = {
        "all": Reading(100.0, "s"),
        "large": Reading(5.0, "s", whole="all"),
        "small": Reading(4.9, "s", whole="all"),
        "apart": Reading(50.0, "s", judged=False),
        "nothing": Reading(0.0, "s"),
    }

    found = {one.figure: one.verdict for one in compared([{"base": run, "again": run, "this": run}])}

    assert found == {"all": "not slower", "large": "not slower", "small": "shown", "apart": "shown"}


def test_a_figure_that_one_build_does_not_have_is_left_out() -> None:
    base, this = {"a": Reading(1.0, "s"), "b": Reading(1.0, "s")}, {"a": Reading(1.0, "s")}

    assert [one.figure for one in compared([{"base": base, "again": base, "this": this}])] == ["a"]


def test_quartiles_lie_between_the_values_next_to_them() -> None:
    assert quartiles([4.0, 1.0, 3.0, 2.0, 5.0]) == Quartiles(2.0, 3.0, 4.0)
    assert quartiles([1.0, 2.0]) == Quartiles(1.25, 1.5, 1.75)
    assert quartiles([7.0]) == Quartiles(7.0, 7.0, 7.0)
    with pytest.raises(ValueError, match="no quartiles"):
        quartiles([])
