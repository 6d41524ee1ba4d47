"""Quintile cuts, scores and the eight classes, from the measures of a population; knows numbers, no histories."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shared.contract.broadcasts import Cuts
from shared.contract.bundles import Profile
from shared.instants import local_day, parse_zone
from shared.shop import Shop

GRID_BITS = 20


class Measure(msgspec.Struct, frozen=True):
    """What a customer with orders in the window contributes: last local day, orders, gridded amount."""

    day: int
    orders: int
    amount: int


class Score(msgspec.Struct, frozen=True):
    """1 to 5 each and the class; 0 without scores."""

    r: int = 0
    f: int = 0
    m: int = 0
    rfm: str = "none"


def on_grid(value: int) -> int:
    """`value` with 20 significant bits, the others cleared towards zero."""
    grain = 1 << max(abs(value).bit_length() - GRID_BITS, 0)
    magnitude = abs(value) // grain * grain
    return magnitude if value >= 0 else -magnitude


def measure_of(profile: Profile, shop: Shop) -> Measure | None:
    """None for a customer outside the population."""
    if profile.last_order_at is None or profile.window_orders == 0:
        return None
    day = local_day(profile.last_order_at, parse_zone(shop.zone))
    return Measure(day, profile.window_orders, on_grid(profile.window_amount))


def cuts_of(population: Sequence[Measure]) -> Cuts | None:
    """The three times four quintile cuts; None of nobody."""
    if not population:
        return None
    days = sorted((one.day for one in population), reverse=True)
    orders = sorted(one.orders for one in population)
    amounts = sorted(one.amount for one in population)
    return Cuts(_quintiles(days), _quintiles(orders), _quintiles(amounts))


def _quintiles(ordered: Sequence[int]) -> tuple[int, ...]:
    count = len(ordered)
    return tuple(ordered[(count * k + 4) // 5 - 1] for k in (1, 2, 3, 4))


def score_of(measure: Measure | None, cuts: Cuts | None, *, ordered: bool, high: int) -> Score:
    """Scores and class under the cuts in force; `ordered`: he has orders, be they outside the window."""
    if cuts is None or not ordered:
        return Score()
    if measure is None:
        return Score(rfm="unclassified")
    r = 5 - sum(1 for cut in cuts.recency if cut > measure.day)
    f = 1 + sum(1 for cut in cuts.frequency if cut < measure.orders)
    m = 1 + sum(1 for cut in cuts.monetary if cut < measure.amount)
    return Score(r, f, m, _eight(recent=r >= high, frequent=f >= high, valuable=m >= high))


def _eight(*, recent: bool, frequent: bool, valuable: bool) -> str:
    worth = "important" if valuable else "general"
    habit = {(True, True): "value", (True, False): "develop", (False, True): "keep", (False, False): "winback"}
    return f"{worth}_{habit[recent, frequent]}"
