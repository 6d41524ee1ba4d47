"""Cancelled orders in packed rows: cancelled for ever, or up to a version of the order (behaviour 4)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from services.profile.packed import contains, digest, offsets, split

ROW: Final = struct.Struct("<8sq?")
"""Digest of the order id, version, whether the order was ever in force: 17 bytes."""
EVERY: Final = 2**63 - 1
"""Above every version: a cancellation without one."""


class Cancelled(NamedTuple):
    """An order up to `version`."""

    version: int
    ever: bool
    """The order was in force before. A higher version of it is then a correction, not a purchase."""


def find(for_ever: bytes, rows: bytes, order: bytes) -> Cancelled | None:
    """What is known of the order with this digest; `for_ever` holds digests alone."""
    if contains(for_ever, order):
        return Cancelled(EVERY, True)
    start = next(offsets(rows, order, width=ROW.size), None) if rows else None
    return None if start is None else Cancelled(*ROW.unpack_from(rows, start)[1:])


def put(for_ever: bytes, rows: bytes, order: bytes, cancelled: Cancelled) -> tuple[bytes, bytes]:
    """Both tables with the order cancelled so, in place of what was known."""
    start = next(offsets(rows, order, width=ROW.size), None) if rows else None
    if start is not None:
        rows = rows[:start] + rows[start + ROW.size :]
    if cancelled.version == EVERY:
        return for_ever if contains(for_ever, order) else for_ever + order, rows
    return for_ever, rows + ROW.pack(order, *cancelled)


def union(ours: tuple[bytes, bytes], theirs: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The tables of both: per order the highest version, and whether it was ever in force on one side."""
    for_ever, rows = ours
    for order, cancelled in _every(*theirs):
        known = find(for_ever, rows, order)
        both = cancelled if known is None else Cancelled(max(known[0], cancelled[0]), known.ever or cancelled.ever)
        if both != known:
            for_ever, rows = put(for_ever, rows, order, both)
    return for_ever, rows


def stopped(tables: tuple[bytes, bytes], order_ids: Iterable[str]) -> tuple[bytes, bytes]:
    """The tables with these orders known to have been in force once."""
    for order in map(digest, order_ids):
        known = find(*tables, order)
        if known is not None and not known.ever:
            tables = put(*tables, order, known._replace(ever=True))
    return tables


def _every(for_ever: bytes, rows: bytes) -> Iterator[tuple[bytes, Cancelled]]:
    for order in split(for_ever):
        yield order, Cancelled(EVERY, True)
    for order, version, ever in ROW.iter_unpack(rows):
        yield order, Cancelled(version, ever)
