"""Scores, classes and the grid by example."""

from __future__ import annotations

import pytest

from services.segmenter.rfm import Scores, class_of, grid, scale_of
from shared.contract.broadcasts import Cuts

CUTS = Cuts(recency=(400, 300, 200, 100), frequency=(1, 2, 3, 6), monetary=(10, 20, 30, 40))


@pytest.mark.parametrize(
    ("day", "orders", "amount", "scores"),
    [
        (400, 7, 41, Scores(5, 5, 5)),
        (399, 6, 40, Scores(4, 4, 4)),
        (300, 3, 30, Scores(4, 3, 3)),
        (100, 2, 20, Scores(2, 2, 2)),
        (99, 1, 10, Scores(1, 1, 1)),
        (401, 1, -5, Scores(5, 1, 1)),
    ],
)
def test_a_tie_gets_the_better_recency_and_the_lower_frequency_and_amount(
    day: int, orders: int, amount: int, scores: Scores
) -> None:
    scale = scale_of(CUTS)

    assert scale is not None
    assert scale.scores(day, orders, amount) == scores


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        (Scores(4, 4, 4), "important_value"),
        (Scores(5, 3, 5), "important_develop"),
        (Scores(3, 4, 4), "important_keep"),
        (Scores(1, 1, 4), "important_winback"),
        (Scores(4, 5, 3), "general_value"),
        (Scores(4, 1, 1), "general_develop"),
        (Scores(1, 4, 1), "general_keep"),
        (Scores(3, 3, 3), "general_winback"),
    ],
)
def test_three_scores_make_eight_classes(scores: Scores, name: str) -> None:
    assert class_of(scores, high=4) == name


def test_no_cuts_no_scale() -> None:
    assert scale_of(None) is None


@pytest.mark.parametrize(
    ("amount", "gridded"),
    [
        (0, 0),
        (1_048_575, 1_048_575),
        (1_048_576, 1_048_576),
        (1_048_577, 1_048_576),
        (2_097_155, 2_097_152),
        (2_097_159, 2_097_156),
        (-1_048_577, -1_048_576),
        (-7, -7),
    ],
)
def test_the_grid_keeps_twenty_significant_bits_towards_zero(amount: int, gridded: int) -> None:
    assert grid(amount) == gridded
