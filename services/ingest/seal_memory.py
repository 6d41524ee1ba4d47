"""Remembers which contact values were sealed of late, so that unchanged ones are not again. Knows hashes only."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, final

CAPACITY: Final = 200_000
FRESH_SECONDS: Final = 600.0
"""Then it is sealed once more: another ingest process may have sealed another value in between."""
UNDER_WAY_SECONDS: Final = 30.0
"""After this a sealing that was never finished has failed."""
_NOBODY: Final = 0


class Sealing(NamedTuple):
    """A value on its way to the broker."""

    customer: str
    field: str
    digest: bytes
    number: int
    at: int
    """The instant with which it is sent, ms."""

    def covers(self, at: int) -> bool:
        """Whether the value told once more, of the instant `at`, need not be sent again: minutes are no news, years are."""
        return at < self.at + FRESH_SECONDS * 1_000


class _Entry(NamedTuple):
    digest: bytes
    number: int
    until: float
    sealed: bool
    """False while it is under way."""
    at: int
    """The latest instant of which the value was told."""
    sealing: Sealing

    def covers(self, digest: bytes, at: int) -> bool:
        """Whether this value was sent of about that instant, or another one was told of later."""
        return self.sealing.covers(at) if self.digest == digest else at < self.at


@final
class SealMemory:
    """At most `capacity` (customer, field) pairs, the longest unused forgotten first."""

    def __init__(self, monotonic: Callable[[], float], capacity: int = CAPACITY) -> None:
        self._monotonic, self._capacity = monotonic, capacity
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._secret = os.urandom(32)
        self._number = 0

    def begin(self, customer: str, field: str, value: str, at: int) -> Sealing | None:
        """What must be sealed and sent; None if this very value was of about that instant and nothing else since, or one told of later than `at`."""
        place, digest, now = (customer, field), self._digest(value), self._monotonic()
        entry = self._entries.get(place)
        if entry is not None and entry.sealed and now < entry.until and entry.covers(digest, at):
            self._entries[place] = entry._replace(at=max(at, entry.at))
            self._entries.move_to_end(place)
            return None
        self._number += 1
        contested = entry is not None and not entry.sealed and entry.digest != digest and now < entry.until
        sealing, number = Sealing(customer, field, digest, self._number, at), _NOBODY if contested else self._number
        self._entries[place] = _Entry(digest, number, now + UNDER_WAY_SECONDS, sealed=False, at=at, sealing=sealing)
        self._entries.move_to_end(place)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        return sealing

    def finish(self, sealing: Sealing) -> None:
        """The broker has it. With another value under way beside it, nobody knows which is last: none is kept."""
        place = (sealing.customer, sealing.field)
        entry = self._entries.get(place)
        if entry is not None and entry.number == sealing.number:
            self._entries[place] = entry._replace(sealed=True, until=self._monotonic() + FRESH_SECONDS)

    def forget(self, customer: str, fields: Iterable[str]) -> None:
        """Seal this customer's values again when they come: what was sealed before is gone."""
        for field in fields:
            self._entries.pop((customer, field), None)

    def _digest(self, value: str) -> bytes:
        return hashlib.blake2b(value.encode(), digest_size=16, key=self._secret).digest()
