"""The refunds that name an order, remembered for ever by their id; knows neither the orders nor the facts."""

from __future__ import annotations

import struct
from typing import Final

from services.profile.packed import DIGEST, contains, digest, offsets

ROW: Final = struct.Struct("<8s8sqH")
"""Digest of the refund id, digest of the order id, amount, alias index: 26 bytes."""


def known(rows: bytes, refund_id: str) -> bool:
    """Whether this refund was taken before."""
    return contains(rows, digest(refund_id), width=ROW.size)


def add(rows: bytes, refund_id: str, order_id: str, *, amount: int, alias: int) -> bytes:
    """The rows with a refund that they do not hold yet."""
    return rows + ROW.pack(digest(refund_id), digest(order_id), amount, alias)


def refunded(rows: bytes, order_id: str) -> int:
    """Sum of the refunds that name this order, minor units."""
    if not rows:
        return 0
    found = offsets(rows, digest(order_id), width=ROW.size, field=DIGEST)
    return sum(ROW.unpack_from(rows, start)[2] for start in found)
