"""Chooses the address of a customer and field that holds, and the record to write to contact-points-v1 again; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from services.notifier.facts import Publication
from shared.contract.codec import encode
from shared.contract.contact_points import ContactPoint
from shared.contract.topics import CONTACT_POINTS
from shared.ids import derived_id
from shared.instants import LATEST

UNDATED: Final = -1
"""Instant of a null that names none: it takes what stands before it in the log, and counts for nothing after that."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One record: an address, or (`point` is None) that up to `at` there is none; `where` is partition and offset."""

    key: str
    at: int
    point: ContactPoint | None = None
    where: tuple[int, int] = (0, 0)

    @property
    def place(self) -> tuple[int, bool, str]:
        """The largest holds, in whichever order they come: the later one, at a tie a null, then the larger sealed text."""
        return self.at, self.point is None, self.point.sealed if self.point else ""


class Held(NamedTuple):
    """What the database knows of the records' keys and customers."""

    points: Mapping[tuple[str, str], Told]
    """By alias and field."""
    gone: Mapping[str, int]
    """How far nulls reach, by record key."""
    erased: Mapping[str, int]
    """How far erasures reach, by customer id."""


class Settled(NamedTuple):
    """What a batch of records changes."""

    emptied: frozenset[str]
    """Record keys of undated nulls: what was held under them goes first."""
    gone: Mapping[str, int]
    """As in `Held`; what lies up to there goes."""
    points: tuple[Told, ...]
    """Addresses that hold now and did not."""
    again: tuple[tuple[Told, Told], ...]
    """The last record read of a key, and the one that holds instead: compaction would keep the wrong one."""


def settle(told: Iterable[Told], held: Held) -> Settled:
    """Records of the batch, in order, on what is held. In every order of arrival the same record holds.

    An undated null is the exception: it works by its place in the log.
    """
    book = _Book(held)
    last: dict[str, Told] = {}
    for record in told:
        last[record.key] = record
        book.take(record)
    points = tuple(each for place, each in book.points.items() if held.points.get(place) != each)
    gone = {key: reach for key, reach in book.gone.items() if held.gone.get(key) != reach}
    return Settled(frozenset(book.emptied), gone, points, tuple(_passed_over(last, book)))


def again(read: Told, right: Told) -> Publication:
    """The record that holds, for the partition and the key of the one that was read; the same for each attempt."""
    partition, offset = read.where
    return Publication(
        topic=CONTACT_POINTS.name,
        key=read.key,
        tag="contact.point",
        event_id=derived_id("contact-again", CONTACT_POINTS.name, partition, offset),
        at=min(right.at, LATEST),
        value=None if right.point is None else encode(right.point),
        partition=partition,
    )


class _Book:
    """What holds while the records of a batch are taken one by one."""

    def __init__(self, held: Held) -> None:
        self.points, self.gone = dict(held.points), dict(held.gone)
        self.emptied: set[str] = set()
        self._erased = held.erased
        self._fields: dict[str, set[tuple[str, str]]] = {}
        for place, point in held.points.items():
            self._fields.setdefault(point.key, set()).add(place)

    def take(self, record: Told) -> None:
        if record.point is not None:
            self._put(record, record.point)
            return
        if record.at == UNDATED:
            self.emptied.add(record.key)
        else:
            self.gone[record.key] = max(record.at, self.gone.get(record.key, UNDATED))
        for place in tuple(self._of(record.key)):
            if record.at == UNDATED or self.points[place].at <= record.at:
                self._fields[record.key].discard(place)
                del self.points[place]

    def holding(self, read: Told) -> Iterator[Told]:
        """What stands against a record that was read."""
        yield from (self.points[place] for place in self._of(read.key))
        reach = self._reach(read.key, read.point)
        if reach != UNDATED:
            yield Told(key=read.key, at=reach)

    def _put(self, record: Told, point: ContactPoint) -> None:
        place = (point.alias, point.field)
        known = self.points.get(place)
        if record.at <= self._reach(record.key, point) or (known is not None and known.place >= record.place):
            return
        if known is not None:
            self._fields[known.key].discard(place)
        self.points[place] = record
        self._fields.setdefault(record.key, set()).add(place)

    def _of(self, key: str) -> set[tuple[str, str]]:
        return self._fields.get(key, set())

    def _reach(self, key: str, point: ContactPoint | None) -> int:
        """Up to which instant nothing is kept under this key."""
        erased = UNDATED if point is None else self._erased.get(point.alias, UNDATED)
        return max(self.gone.get(key, UNDATED), erased)


def _passed_over(last: Mapping[str, Told], book: _Book) -> Iterator[tuple[Told, Told]]:
    for read in last.values():
        right = max(book.holding(read), key=lambda each: each.place, default=read)
        if right.place > read.place:
            yield read, right
