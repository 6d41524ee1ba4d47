"""Figures with what they are compared to, as a table and as JSON; measures nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence

import msgspec
from rich.table import Table


class Figure(msgspec.Struct, frozen=True):
    """One number; `ratio` is value / baseline, both None where there is nothing to compare with."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None


class Sheet:
    """The figures of a run in the order in which they were found."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.figures)

    def add(self, name: str, value: float, unit: str, *, baseline: float | None = None) -> None:
        """Note a figure, with its ratio if there is a baseline other than zero."""
        ratio = rounded(value / baseline) if baseline else None
        self.figures.append(Figure(name, rounded(value), unit, None if baseline is None else rounded(baseline), ratio))

    def value(self, name: str) -> float | None:
        """The value noted last under this name; None if there is none."""
        return next((one.value for one in reversed(self.figures) if one.name == name), None)

    def add_load(self, part: str, when: str) -> None:
        """Note the load average of the last minute: what else kept the machine busy."""
        self.add(f"{part}: load average {when}", os.getloadavg()[0], "runnable processes")


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed; ValueError without values."""
    if not values:
        raise ValueError("values: there are none, so there is no quantile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def table(sheet: Sheet) -> Table:
    """The figures as rich draws them."""
    drawn = Table(box=None, title="figures of this machine", title_justify="left")
    drawn.add_column("figure", no_wrap=True)
    for name in ("value", "unit", "baseline", "ratio"):
        drawn.add_column(name, no_wrap=True, justify="left" if name == "unit" else "right")
    for one in sheet:
        drawn.add_row(one.name, text(one.value), one.unit, text(one.baseline), text(one.ratio))
    return drawn


def rounded(value: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{value:.4g}")


def text(value: float | None) -> str:
    """As people read it; nothing for None."""
    return "" if value is None else f"{value:,.10g}"
