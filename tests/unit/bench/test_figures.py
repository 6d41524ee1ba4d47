"""Figures tell what they are compared to, and no digits that are noise."""

from __future__ import annotations

import pytest
from rich.console import Console

from tests.bench.figures import Figure, Sheet, quantile, table


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.9, 90.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0), (0.001, 1.0)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: float) -> None:
    values = [float(number) for number in range(100, 0, -1)]

    assert quantile(values, share) == expected


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="values: there are none"):
        quantile([], 0.5)


def test_a_figure_with_a_baseline_has_a_ratio() -> None:
    sheet = Sheet()
    sheet.add("rate", 5_000.4, "events/s", baseline=10_000)

    assert list(sheet) == [Figure("rate", 5_000.0, "events/s", 10_000.0, 0.5)]


@pytest.mark.parametrize("baseline", [None, 0.0])
def test_without_a_baseline_there_is_no_ratio(baseline: float | None) -> None:
    sheet = Sheet()
    sheet.add("rate", 123.456, "events/s", baseline=baseline)

    assert list(sheet) == [Figure("rate", 123.5, "events/s", baseline, None)]


def test_the_latest_value_of_a_name_is_the_baseline_of_what_follows() -> None:
    sheet = Sheet()
    sheet.add("cost", 1.0, "µs")
    sheet.add("cost", 2.0, "µs")

    assert sheet.value("cost") == 2.0
    assert sheet.value("other") is None


def test_the_table_shows_every_figure_with_its_unit() -> None:
    sheet = Sheet()
    sheet.add("accepted", 12_345, "events/s", baseline=24_690)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table(sheet))

    shown = captured.get()

    assert "accepted" in shown
    assert "12,340" in shown or "12,350" in shown
    assert "events/s" in shown
    assert "0.5" in shown
