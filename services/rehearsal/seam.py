"""Compares the records that one hop says with the input of the next: none missing, none else, in order. Repeats are passed over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from services.rehearsal.compare import shown
from shared.contract.identity import Fragment
from shared.contract.origin import Origin
from shared.engine.fold.batch import Emit, Record


class Said:
    """Records for the next hop in their order, each once; only digests and keys are kept."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.places: dict[bytes, int] = {}
        """Digest → place in the order."""
        self.keys: list[bytes | None] = []

    def add(self, emit: Emit) -> None:
        """The next record said."""
        digest = _digest(emit.key, emit.value)
        if digest not in self.places:
            self.places[digest] = len(self.keys)
            self.keys.append(emit.key)


class Seam:
    """`take` the records of an input partition between two checkpoints, then `end`; `differences` are (customer, what)."""

    def __init__(self, said: Said, topic: str, decode: Callable[[bytes], Any], since: Origin) -> None:
        """`since`: origin of the earlier checkpoint; a record up to it is a repeat from before."""
        self.differences: list[tuple[str, str]] = []
        self.records = len(said.keys)
        self._said, self._topic, self._decode, self._since = said, topic, decode, since
        self._next = 0

    def take(self, record: Record) -> None:
        """The next record that stands there."""
        place = self._said.places.get(_digest(record.key, record.value or b""))
        if place is None:
            if not self._explained(record):
                what = f"offset {record.offset} of {self._topic} was not said by {self._said.service}"
                self.differences.append((shown(record.key), what))
        elif place >= self._next:
            self._missing(place)
            self._next = place + 1

    def end(self) -> None:
        """Nothing more stands there."""
        self._missing(len(self._said.keys))

    def _missing(self, until: int) -> None:
        for key in self._said.keys[self._next : until]:
            what = f"{self._said.service} says what is not in {self._topic}, or not in this order"
            self.differences.append((shown(key), what))

    def _explained(self, record: Record) -> bool:
        """A fragment is this hop's own; a record with an origin up to the earlier checkpoint was written again after a crash."""
        try:
            decoded = self._decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        return type(decoded) is Fragment or (decoded.origin is not None and decoded.origin <= self._since)


def _digest(key: bytes | None, value: bytes) -> bytes:
    return hashlib.blake2b((key or b"") + b"\0" + value, digest_size=16).digest()
