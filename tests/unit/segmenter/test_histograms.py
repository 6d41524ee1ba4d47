"""Histograms by example: who is counted, and what is told again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.segmenter.histograms import MEASURES, Published, chunks_of, population_of


def columns(*rows: tuple[int, int, int, bool]) -> dict[str, npt.NDArray[Any]]:
    recency, frequency, monetary, live = zip(*rows, strict=True)
    return {
        "recency": np.array(recency, np.int32),
        "frequency": np.array(frequency, np.int32),
        "monetary": np.array(monetary, np.int64),
        "live": np.array(live, np.bool_),
    }


def test_only_live_rows_with_orders_in_the_window_are_counted() -> None:
    chunks = chunks_of(columns((7, 2, 50, True), (7, 1, 60, True), (8, 0, 0, True), (9, 3, 70, False)))

    assert population_of(chunks) == 2
    assert dict(zip(*(part.tolist() for part in chunks["recency", 0]), strict=True)) == {7: 2}
    assert dict(zip(*(part.tolist() for part in chunks["frequency", 0]), strict=True)) == {1: 1, 2: 1}


def test_every_chunk_is_there_and_large_amounts_spread_over_them() -> None:
    amounts = [(1, 1, number << 40, True) for number in range(1, 1001)]

    chunks = chunks_of(columns(*amounts))

    sizes = [chunk.total for (measure, _), chunk in chunks.items() if measure == "monetary"]
    assert len(chunks) == sum(MEASURES.values())
    assert (sum(sizes), max(sizes) < 40) == (1000, True)


def test_a_chunk_that_empties_is_told_as_empty() -> None:
    published = Published()
    published.changed(chunks_of(columns((7, 2, 50, True))))

    news, _ = published.changed(chunks_of(columns((7, 2, 50, False))))

    assert len(news) == 3
    assert all(chunk.total == 0 for chunk in news.values())
    assert published.changed(chunks_of(columns((7, 2, 50, False))))[0] == {}
