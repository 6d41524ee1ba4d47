"""The customers of one partition: stored bytes, the entries that a batch works on, the columns that say of them what is swept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

import msgspec

from shared.contract.origin import NEVER, Origin
from shared.engine.fold.fold import Fold, S
from shared.engine.state.entry import Entry
from shared.engine.state.head import unpack
from shared.engine.state.store import Store


class Memory(Generic[S]):
    """`entry` to work on a customer, `touch` once something of him changed, `changed` at the end of the batch."""

    def __init__(self, fold: Fold[S]) -> None:
        self._fold = fold
        self.store = Store(fold.columns)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(fold.state).decode
        self._entries: dict[bytes, Entry[S]] = {}

    def index(self) -> None:
        """Build the columns from what is stored, after a recovery."""
        for row, value in enumerate(self.store.values):
            head, body = unpack(value)
            live = not head.links.redirect and not head.frozen
            self.store.index(row, self._cells(head.due, live, self._load(head.schema, body)))

    def entry(self, key: bytes) -> Entry[S]:
        """The customer's entry for this batch; UnicodeDecodeError if the key is no text."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = self.stored(key)
        return entry

    def look(self, key: bytes) -> Entry[S]:
        """As `entry`, but not kept: for a pass over everybody that changes nobody."""
        return self._entries.get(key) or self.stored(key)

    def stored(self, key: bytes) -> Entry[S]:
        """A fresh entry from the stored value, or for a customer never seen."""
        name, value = key.decode(), self.store.get(key)
        if value is None:
            return Entry(key, name, self._fold.empty(), self._fold.schema)
        head, body = unpack(value)
        state = self._load(head.schema, body)
        entry = Entry.stored(key, name, head, state, size=len(value), schema=self._fold.schema)
        entry.row = self.store.rows[key]
        entry.cells = self._cells(entry.due, entry.live, entry.state)
        return entry

    def touch(self, entry: Entry[S], place: Origin) -> None:
        """The entry has changed; its origin is `place` now."""
        entry.origin, entry.dirty = place, True
        entry.counter += 1
        if entry.row < 0:
            entry.row = self.store.put(entry.key, b"")
        cells = self._cells(entry.due, entry.live, entry.state)
        if cells != entry.cells:
            self.store.index(entry.row, cells)
            entry.cells = cells

    def changed(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and new value of every entry touched since the last time; the entries are forgotten."""
        entries, self._entries = self._entries, {}
        for entry in entries.values():
            if entry.dirty:
                value = entry.pack(self._encode)
                self.store.put(entry.key, value)
                yield entry.key, value

    def body_size(self, state: S) -> int:
        """Bytes of the state without its head."""
        return len(self._encode(state))

    def _load(self, schema: int, body: bytes) -> S:
        return self._decode(body) if schema == self._fold.schema else self._fold.upgrade(schema, body)

    def _cells(self, due: int, live: bool, state: S) -> tuple[int, ...]:  # noqa: FBT001
        """Values of the store's columns."""
        return (due if live else NEVER, live, *self._fold.row(state))
