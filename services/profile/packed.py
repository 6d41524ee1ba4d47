"""Sets and tables of fixed-size rows in bytes: cheap to decode, searched in C; knows nothing of customers."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

DIGEST: Final = 8
"""Bytes of a digest."""


def digest(text: str) -> bytes:
    """The id's 64-bit hash (shared.ids.hash64) as it stands in rows: little endian."""
    return blake2b(text.encode(), digest_size=DIGEST).digest()[::-1]


def offsets(rows: bytes, key: bytes, *, width: int, field: int = 0) -> Iterator[int]:
    """Start of each row of `width` bytes that holds `key` at `field`."""
    found = rows.find(key)
    while found >= 0:
        if (found - field) % width == 0:
            yield found - field
        found = rows.find(key, found + 1)


def contains(rows: bytes, key: bytes, *, width: int = DIGEST) -> bool:
    """Whether a row begins with `key`."""
    return bool(rows) and next(offsets(rows, key, width=width), None) is not None


def split(rows: bytes, width: int = DIGEST) -> list[bytes]:
    """The rows, one by one."""
    return [rows[start : start + width] for start in range(0, len(rows), width)]
