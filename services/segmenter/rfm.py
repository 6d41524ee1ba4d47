"""RFM scores under given cuts and the eight classes; knows three numbers of a customer, not where cuts come from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import msgspec

from shared.contract.broadcasts import Cuts

SIGNIFICANT_BITS = 20
"""Width of the grid on which amounts are counted and compared: exact up to 1,048,575 minor units."""

UNCLASSIFIED = "unclassified"
"""Has ordered, but not inside the window."""


class Scores(NamedTuple):
    """Each 1 (worst) to 5 (best); all 0 where the customer is not scored."""

    r: int
    f: int
    m: int


_CLASSES = {
    (True, True): "value",
    (True, False): "develop",
    (False, True): "keep",
    (False, False): "winback",
}
"""By (R high, F high)."""


def grid(amount: int) -> int:
    """The amount on the grid: of its binary digits the first 20 stay, the others are cleared towards zero."""
    size = -amount if amount < 0 else amount
    surplus = size.bit_length() - SIGNIFICANT_BITS
    if surplus <= 0:
        return amount
    kept = size >> surplus << surplus
    return -kept if amount < 0 else kept


class Scale(msgspec.Struct, frozen=True):
    """Cuts made ready for scoring, all ascending."""

    recency: tuple[int, ...]
    frequency: tuple[int, ...]
    monetary: tuple[int, ...]

    def scores(self, day: int, orders: int, amount: int) -> Scores:
        """Scores of a customer with a last local `day`, `orders` (above 0) and a gridded `amount` inside the window.

        Ties get the better score on recency, the lower one on frequency and amount.
        """
        r = 1 + bisect_right(self.recency, day)
        return Scores(r, 1 + bisect_left(self.frequency, orders), 1 + bisect_left(self.monetary, amount))


def scale_of(cuts: Cuts | None) -> Scale | None:
    """None where there are no cuts: nobody can be scored."""
    if cuts is None:
        return None
    return Scale(tuple(sorted(cuts.recency)), tuple(sorted(cuts.frequency)), tuple(sorted(cuts.monetary)))


def class_of(scores: Scores, high: int) -> str:
    """The class id of scored customers, e.g. important_value: M decides important or general, R and F the rest."""
    worth = "important" if scores.m >= high else "general"
    return f"{worth}_{_CLASSES[scores.r >= high, scores.f >= high]}"
