"""How large a file may be, packed and unpacked. Knows numbers only."""

from __future__ import annotations

from typing import Final

import msgspec

MEGABYTE: Final = 1 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is refused before it can hurt."""

    upload: int = 20 * MEGABYTE
    """Bytes of a file that comes over HTTP; the command takes what is on disk."""
    rows: int = 1_000_000
    columns: int = 500
    cell: int = 10_000
    """Characters of one cell."""
    unpacked: int = 200 * MEGABYTE
    """Bytes of a gzip or of all entries of an Excel file together."""
    ratio: int = 100
    """Unpacked bytes for each packed one, looked at above `small`."""
    small: int = 4 * MEGABYTE
    entries: int = 1_000
    """Entries of an Excel file."""


COMMAND: Final = Limits(rows=20_000_000, unpacked=8_000 * MEGABYTE)
"""For whoever has a shell on this machine: larger, and still no bomb."""
