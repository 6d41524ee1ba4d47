"""How long products were visible to the customer, from his beats; knows instants of beats, not the step's."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from services.profile.state import Product
from shared.shop import DAY

LONGEST_GAP: Final = 60_000
"""Milliseconds between two beats that still count as seen."""
KEPT: Final = 32
"""Products kept per customer."""
CREDIT: Final = struct.Struct("<qH")
"""Instant of the beat and the gap credited at it, ms: 10 bytes."""

Products = dict[str, Product]


class Beat(NamedTuple):
    """What a beat did."""

    products: Products
    before: int
    """Visible ms of the product within the 24 h up to the beat, without its own gap."""
    after: int


def beat(products: Products, product: str, at: int, *, bought: int | None = None) -> Beat:
    """Take a view of `product` at the instant `at`. `bought`: credits up to this instant do not count, but are kept."""
    known = products.get(product)
    if known is None:
        return Beat(newest({**products, product: Product(at)}), 0, 0)
    if at <= known.latest:
        # what is kept lies above latest - 24 h, so above at - 24 h too
        late = _between(known.credits, bought, at)
        return Beat(products, late, late)
    total, seen = _drop(known.total, known.credits, at - DAY)
    before = total if bought is None else _between(seen, bought, at)
    gap = at - known.latest
    if gap > LONGEST_GAP:
        return Beat({**products, product: Product(at, total, seen)}, before, before)
    return Beat({**products, product: Product(at, total + gap, seen + CREDIT.pack(at, gap))}, before, before + gap)


def merge(ours: Products, theirs: Products) -> Products:
    """Both customers' products as those of one."""
    merged = dict(ours)
    for name, product in theirs.items():
        own = merged.get(name)
        merged[name] = product if own is None else _join((own, product))
    return newest(merged)


def newest(products: Products) -> Products:
    """The products with the latest beats, as many as are kept."""
    if len(products) <= KEPT:
        return products
    ranked = sorted(products, key=lambda name: (products[name].latest, name), reverse=True)
    return {name: products[name] for name in ranked[:KEPT]}


def _between(rows: bytes, after: int | None, until: int) -> int:
    """Sum of the credits above `after` and not above `until`."""
    rising = CREDIT.iter_unpack(rows)
    return sum(gap for credited, gap in rising if credited <= until and (after is None or credited > after))


def _join(both: Iterable[Product]) -> Product:
    latest = max(product.latest for product in both)
    every = sorted(credit for product in both for credit in CREDIT.iter_unpack(product.credits))
    kept = [(credited, gap) for credited, gap in every if credited > latest - DAY]
    return Product(latest, sum(gap for _, gap in kept), b"".join(CREDIT.pack(*credit) for credit in kept))


def _drop(total: int, rows: bytes, until: int) -> tuple[int, bytes]:
    """Total and credits without those at or before `until`."""
    start = 0
    while start < len(rows):
        credited, gap = CREDIT.unpack_from(rows, start)
        if credited > until:
            break
        total -= gap
        start += CREDIT.size
    return total, rows[start:]
