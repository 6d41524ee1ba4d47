"""How long a customer saw each product, from all his beats; knows products and instants, no orders."""

from __future__ import annotations

from collections.abc import Iterable

from shared.shop import DAY

GAP = 60_000
"""Milliseconds between two beats that still count as seen."""
PRODUCTS = 32
"""Products remembered per customer."""


def visible_times(beats: Iterable[tuple[str, int]]) -> list[tuple[int, int]]:
    """For every beat (product, instant), in the order told: visible ms within 24 h before it and after it."""
    credited: dict[str, list[tuple[int, int]]] = {}
    latest: dict[str, int] = {}
    answers = []
    for product, at in beats:
        gap = at - latest.get(product, at)
        before = sum(seen for when, seen in credited.get(product, []) if at - DAY < when <= at)
        gained = gap if 0 < gap <= GAP else 0
        credited.setdefault(product, []).append((at, gained))
        latest[product] = max(at, latest.get(product, at))
        credited[product] = [(when, seen) for when, seen in credited[product] if when > latest[product] - DAY]
        answers.append((before, before + gained))
        _forget(credited, latest)
    return answers


def _forget(credited: dict[str, list[tuple[int, int]]], latest: dict[str, int]) -> None:
    kept = sorted(latest, key=lambda product: (latest[product], product), reverse=True)[:PRODUCTS]
    for product in set(latest) - set(kept):
        del credited[product], latest[product]
