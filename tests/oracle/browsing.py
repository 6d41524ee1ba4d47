"""How long a customer saw each product, from all his beats; knows products and instants, no orders."""

from __future__ import annotations

from collections.abc import Iterable

from shared.shop import DAY

GAP = 60_000
"""Milliseconds between two beats that still count as seen."""
PRODUCTS = 32
"""Products remembered per customer."""


class Beats:
    """All beats of one customer so far."""

    def __init__(self) -> None:
        self._credited: dict[str, list[tuple[int, int]]] = {}
        self._latest: dict[str, int] = {}

    def see(self, product: str, at: int, bought: int | None = None) -> tuple[int, int]:
        """A beat, in the order told: visible ms within 24 h, and since the order at `bought`, before it and after it."""
        since = at - DAY if bought is None else max(at - DAY, bought)
        credited, latest = self._credited, self._latest
        gap = at - latest.get(product, at)
        before = sum(seen for when, seen in credited.get(product, []) if since < when <= at)
        gained = gap if 0 < gap <= GAP else 0
        credited.setdefault(product, []).append((at, gained))
        latest[product] = max(at, latest.get(product, at))
        credited[product] = [(when, seen) for when, seen in credited[product] if when > latest[product] - DAY]
        _forget(credited, latest)
        return before, before + gained

    def absorb(self, other: Beats) -> None:
        """The beats of another id of the person."""
        for product, at in other._latest.items():
            latest = self._latest[product] = max(at, self._latest.get(product, at))
            both = [*self._credited.get(product, []), *other._credited[product]]
            self._credited[product] = sorted(credit for credit in both if credit[0] > latest - DAY)
        _forget(self._credited, self._latest)


def visible_times(beats: Iterable[tuple[str, int]]) -> list[tuple[int, int]]:
    """For every beat (product, instant), in the order told: visible ms within 24 h before it and after it."""
    seen = Beats()
    return [seen.see(product, at) for product, at in beats]


def _forget(credited: dict[str, list[tuple[int, int]]], latest: dict[str, int]) -> None:
    kept = sorted(latest, key=lambda product: (latest[product], product), reverse=True)[:PRODUCTS]
    for product in set(latest) - set(kept):
        del credited[product], latest[product]
