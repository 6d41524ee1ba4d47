"""Repetitions in turn tell five per cent from nothing although a neighbour makes some of them half as dear again."""

from __future__ import annotations

import random

import pytest

from tests.bench.versus.folds import FOLDS, INTAKE, level, readings_of
from tests.bench.versus.readings import ARMS, Arm


def turns_of(factor: float, seed: int) -> list[dict[Arm, float]]:
    """Twenty turns; the neighbour comes and goes between any two repetitions."""
    rnd, busy = random.Random(seed), False
    turns = []
    for _ in range(20):
        turn: dict[Arm, float] = {}
        for arm in ARMS:
            busy = busy != (rnd.random() < 0.1)
            turn[arm] = (1.65 if busy else 1.0) * (factor if arm == "this" else 1.0) * (1 + rnd.gauss(0, 0.01))
        turns.append(turn)
    return turns


@pytest.mark.parametrize("seed", range(20))
def test_a_neighbour_does_not_hide_five_per_cent_nor_make_them_up(seed: int) -> None:
    same, slower = level(turns_of(1.0, seed)), level(turns_of(1.05, seed))

    assert same["this"] / same["base"] == pytest.approx(1.0, abs=0.02)
    assert slower["this"] / slower["base"] == pytest.approx(1.05, abs=0.02)


def test_seconds_become_microseconds_per_event_and_the_folds_are_summed_without_intake() -> None:
    seconds = {INTAKE: 0.04, "profile": 0.06, "segmenter": 0.03}

    found = readings_of([dict.fromkeys(ARMS, seconds)] * 3, events=1_000)

    assert {name: round(one.value, 6) for name, one in found["this"].items()} == {
        INTAKE: 40,
        "profile": 60,
        "segmenter": 30,
        FOLDS: 90,
    }
