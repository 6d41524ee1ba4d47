"""The calls taken last, so that the same one again does nothing. Knows ids; not events, and not what came long ago."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final, final

MOST: Final = 1 << 15


@final
class Repeats:
    """The latest calls that were taken, within one process. What it has forgotten is harmless: events have ids."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._taken: OrderedDict[bytes, None] = OrderedDict()

    def known(self, source: str, key: str, raw: bytes) -> bool:
        """Whether this call was taken already: the same source, id and body."""
        return _digest(source, key, raw) in self._taken

    def take(self, source: str, key: str, raw: bytes) -> None:
        """Remember a call, once the broker has what it led to; the oldest is forgotten."""
        self._taken[_digest(source, key, raw)] = None
        while len(self._taken) > self._most:
            self._taken.popitem(last=False)


def _digest(source: str, key: str, raw: bytes) -> bytes:
    """The id stands outside some providers' signatures, so the body counts, too."""
    return hashlib.sha256(f"{source}\0{key}\0".encode() + raw).digest()[:16]
