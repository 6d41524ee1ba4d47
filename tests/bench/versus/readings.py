"""Readings of one run of one build, and the ratios of two builds over all rounds, with the verdict; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Literal

import msgspec

Arm = Literal["base", "again", "this"]
"""Builds that take part: the base commit, the same commit a second time, and the build that is judged."""
ARMS: tuple[Arm, ...] = ("base", "again", "this")
LEAST_RATE = 0.97
"""Smallest median ratio of a rate that is not slower."""
MOST_COST = 1.03
"""Largest median ratio of CPU, latency, memory or bytes that is not slower."""
LEAST_SHARE = 0.05
"""A figure that is less than this part of its whole is shown, not judged."""


class Reading(msgspec.Struct, frozen=True):
    """One number that a run gave."""

    value: float
    unit: str
    more_is_better: bool = False
    """A rate; otherwise a cost."""
    judged: bool = True
    """False: shown only."""
    whole: str | None = None
    """Figure of the same part that this one is a share of; below LEAST_SHARE it is not judged."""


Readings = Mapping[str, Reading]
"""Figure → reading, of one run."""
Round = Mapping[Arm, Readings]
"""One run of each build, right after each other."""


class Quartiles(msgspec.Struct, frozen=True):
    """Of the ratios of all rounds."""

    low: float
    middle: float
    high: float

    @property
    def width(self) -> float:
        """Distance between the outer quartiles."""
        return self.high - self.low


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of two builds."""

    figure: str
    unit: str
    base: float
    """Median of the base."""
    this: float
    """Median of the build that is judged."""
    ratio: Quartiles
    """Of this / base, round by round."""
    again: Quartiles
    """Of base / base: the noise of the measurement."""
    verdict: Literal["not slower", "within the noise", "slower", "shown"]
    ratios: tuple[float, ...] = ()
    """This / base of each round, in the order of the rounds."""


def compared(rounds: Sequence[Round]) -> list[Compared]:
    """All figures that every run gave and that are above zero, in the order of the first run; ValueError without rounds."""
    if not rounds:
        raise ValueError("rounds: there are none, so nothing can be compared")
    everywhere = [
        name
        for name in rounds[0]["base"]
        if all(name in turn[arm] and turn[arm][name].value > 0 for turn in rounds for arm in ARMS)
    ]
    return [_figure(name, rounds) for name in everywhere]


def _figure(name: str, rounds: Sequence[Round]) -> Compared:
    values = {arm: [turn[arm][name].value for turn in rounds] for arm in ARMS}
    # Against both runs of the base: one unlucky run of it weighs half.
    ratios = tuple(
        this / math.sqrt(first * second)
        for first, second, this in zip(values["base"], values["again"], values["this"], strict=True)
    )
    ratio = quartiles(ratios)
    again = quartiles([second / first for first, second in zip(values["base"], values["again"], strict=True)])
    one, base = rounds[0]["base"][name], median([*values["base"], *values["again"]])
    return Compared(
        figure=name,
        unit=one.unit,
        base=base,
        this=median(values["this"]),
        ratio=ratio,
        again=again,
        verdict=verdict(ratio, again, more_is_better=one.more_is_better) if _judged(one, base, rounds) else "shown",
        ratios=ratios,
    )


def _judged(one: Reading, base: float, rounds: Sequence[Round]) -> bool:
    """Whether the figure is large enough to be told from noise, and of the kind that counts."""
    if one.whole is None or not one.judged:
        return one.judged
    return base >= LEAST_SHARE * median(turn["base"][one.whole].value for turn in rounds)


def quartiles(values: Sequence[float]) -> Quartiles:
    """Linear between the values next to them; ValueError without values."""
    if not values:
        raise ValueError("values: there are none, so there are no quartiles")
    if len(values) == 1:
        return Quartiles(values[0], values[0], values[0])
    return Quartiles(*quantiles(values, n=4, method="inclusive"))


def verdict(
    ratio: Quartiles, again: Quartiles, *, more_is_better: bool
) -> Literal["not slower", "within the noise", "slower"]:
    """By the median; where that is over the bound, by the quartiles beside those of the base against itself."""
    if ratio.middle >= LEAST_RATE if more_is_better else ratio.middle <= MOST_COST:
        return "not slower"
    if ratio.low <= 1 <= ratio.high and ratio.width <= again.width:
        return "within the noise"
    return "slower"
