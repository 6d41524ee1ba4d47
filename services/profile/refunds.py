"""The refunds that name an order or are taken away, remembered for ever by their id; knows neither the orders nor the facts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from services.profile.packed import DIGEST, contains, digest, offsets

ROW: Final = struct.Struct("<8s8sqH")
"""Digest of the refund id, digest of the order id, amount, alias index: 26 bytes."""
VERSION: Final = struct.Struct("<8sq")
"""Digest of the refund id, version: 16 bytes. A refund without such a row has version 1."""


class Row(NamedTuple):
    """One refund of the table."""

    order: bytes
    """Digest of the order id; ranks.NO_ORDER where it names none, which stands here only once it is taken away."""
    amount: int
    alias: int
    version: int


def known(rows: bytes, refund_id: str) -> bool:
    """Whether this refund was taken before."""
    return contains(rows, digest(refund_id), width=ROW.size)


def add(rows: bytes, refund_id: str, order_id: str, *, amount: int, alias: int) -> bytes:
    """The rows with a refund that they do not hold yet."""
    return rows + ROW.pack(digest(refund_id), digest(order_id), amount, alias)


def find(rows: bytes, versions: bytes, refund: bytes) -> Row | None:
    """The refund with this digest."""
    start = next(offsets(rows, refund, width=ROW.size), None) if rows else None
    if start is None:
        return None
    noted = next(offsets(versions, refund, width=VERSION.size), None) if versions else None
    version = 1 if noted is None else VERSION.unpack_from(versions, noted)[1]
    _, order, amount, alias = ROW.unpack_from(rows, start)
    return Row(order, amount, alias, version)


def every(rows: bytes, versions: bytes) -> Iterator[tuple[bytes, Row]]:
    """Digest and content of each refund."""
    noted = dict(VERSION.iter_unpack(versions))
    for refund, order, amount, alias in ROW.iter_unpack(rows):
        yield refund, Row(order, amount, alias, noted.get(refund, 1))


def put(rows: bytes, versions: bytes, refund: bytes, row: Row | None) -> tuple[bytes, bytes]:
    """Both tables with this row in the place of what they held of the refund; None: with nothing of it."""
    rows, versions = _without(rows, refund, ROW.size), _without(versions, refund, VERSION.size)
    if row is None:
        return rows, versions
    noted = b"" if row.version == 1 else VERSION.pack(refund, row.version)
    return rows + ROW.pack(refund, row.order, row.amount, row.alias), versions + noted


def _without(rows: bytes, refund: bytes, width: int) -> bytes:
    start = next(offsets(rows, refund, width=width), None) if rows else None
    return rows if start is None else rows[:start] + rows[start + width :]


def refunded(rows: bytes, order_id: str) -> int:
    """Sum of the refunds that name this order, minor units."""
    if not rows:
        return 0
    found = offsets(rows, digest(order_id), width=ROW.size, field=DIGEST)
    return sum(ROW.unpack_from(rows, start)[2] for start in found)
