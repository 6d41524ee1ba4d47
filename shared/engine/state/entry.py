"""One customer's state while a batch works on it: decoded, mutable, private to the partition engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic

from shared.contract.origin import NEVER, NOWHERE, Origin
from shared.engine.fold.fold import S
from shared.engine.state.head import pack
from shared.engine.state.stored import NO_LINKS, Head, Links


class Entry(Generic[S]):
    """Head and state side by side; `dirty` once something of it must be persisted, `cells` is what the columns say of it."""

    __slots__ = (
        "cells",
        "counter",
        "dirty",
        "due",
        "frozen",
        "key",
        "links",
        "name",
        "origin",
        "row",
        "schema",
        "size",
        "state",
    )

    def __init__(self, key: bytes, name: str, state: S, schema: int) -> None:
        self.key, self.name, self.state, self.schema = key, name, state, schema
        self.origin: Origin = NOWHERE
        self.counter, self.due, self.size, self.row = 0, NEVER, 0, -1
        self.frozen, self.dirty = False, False
        self.links: Links = NO_LINKS
        self.cells: tuple[int, ...] = ()

    @classmethod
    def stored(cls, key: bytes, name: str, head: Head, state: S, *, size: int, schema: int) -> Entry[S]:
        """An entry from a stored value of `size` bytes."""
        entry = cls(key, name, state, schema)
        entry.origin, entry.counter, entry.due, entry.size = head.origin, head.counter, head.due, size
        entry.frozen, entry.links = head.frozen, head.links
        return entry

    @property
    def live(self) -> bool:
        """Whether it counts: neither a redirect nor frozen."""
        return not self.links.redirect and not self.frozen

    def pack(self, encode: Callable[[Any], bytes]) -> bytes:
        """The value to store."""
        return pack(Head(self.schema, self.origin, self.counter, self.due, self.frozen, self.links), encode(self.state))
