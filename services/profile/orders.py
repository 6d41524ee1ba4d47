"""The order book: dated amounts, the newest open, older ones sealed into packed rows; knows no facts and no time."""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from services.profile.packed import digest, offsets
from services.profile.state import Book, Sealed

OPEN_LIMIT: Final = 256
"""Entries a book keeps open; beyond it the older half is sealed."""
ROW: Final = struct.Struct("<8sqqqH")
"""Digest of the id, version, instant, net amount, alias index: 34 bytes."""
EVER: Final = -(2**63)
"""Below every instant."""

TOLD: Final = struct.Struct("<Hq")
"""Beside a row, what came with behaviour 4: place of the shop (0: unknown), hash of the content (0: unknown): 10 bytes."""

_FIELDS: Final = np.dtype([("id", "<i8"), ("version", "<i8"), ("at", "<i8"), ("net", "<i8"), ("alias", "<u2")])
_AT, _NET = 16, 24
_INT: Final = struct.Struct("<q")
_encode_ids = msgspec.msgpack.Encoder().encode
_decode_ids = msgspec.msgpack.Decoder(list[str]).decode


class Entry(NamedTuple):
    """One order (or unreferenced refund); the fields stand in the order of Book's columns."""

    at: int
    id: str
    net: int
    version: int
    alias: int
    shop: int = 0
    content: int = 0


class Edge(NamedTuple):
    """First or last of a book."""

    at: int
    id: str


def place(book: Book, entry: Entry, *, open_limit: int = OPEN_LIMIT) -> Book:
    """The book with an entry whose id it does not hold yet."""
    ats, ids = book.ats, book.ids
    i = bisect_left(ats, entry.at)
    while i < len(ats) and ats[i] == entry.at and ids[i] < entry.id:
        i += 1
    told: tuple[tuple[int, ...], ...] = ()
    if entry.content or book.contents or entry.shop or book.shops:
        told = _grown(book.shops, i, entry.shop, len(ats)), _grown(book.contents, i, entry.content, len(ats))
    grown = Book(
        (*ats[:i], entry.at, *ats[i:]),
        (*ids[:i], entry.id, *ids[i:]),
        (*book.nets[:i], entry.net, *book.nets[i:]),
        (*book.versions[:i], entry.version, *book.versions[i:]),
        (*book.aliases[:i], entry.alias, *book.aliases[i:]),
        book.sealed,
        *told,
    )
    return grown if len(grown.ats) <= open_limit else book_of(entries(grown), keep=open_limit // 2)


def find(book: Book, entry_id: str) -> Entry | None:
    """The entry of this id, open or sealed."""
    if entry_id in book.ids:
        i = book.ids.index(entry_id)
        told = _at(book.shops, i), _at(book.contents, i)
        return Entry(book.ats[i], entry_id, book.nets[i], book.versions[i], book.aliases[i], *told)
    start = _sealed_row(book, entry_id)
    if book.sealed is None or start is None:
        return None
    _, version, at, net, alias = ROW.unpack_from(book.sealed.rows, start)
    beside = book.sealed.told
    told = TOLD.unpack_from(beside, start // ROW.size * TOLD.size) if beside else (0, 0)
    return Entry(at, entry_id, net, version, alias, *told)


def remove(book: Book, entry_id: str) -> Book:
    """The book without this id; the same book if it does not hold it."""
    if entry_id in book.ids:
        i = book.ids.index(entry_id)
        return Book(
            book.ats[:i] + book.ats[i + 1 :],
            book.ids[:i] + book.ids[i + 1 :],
            book.nets[:i] + book.nets[i + 1 :],
            book.versions[:i] + book.versions[i + 1 :],
            book.aliases[:i] + book.aliases[i + 1 :],
            book.sealed,
            book.shops[:i] + book.shops[i + 1 :],
            book.contents[:i] + book.contents[i + 1 :],
        )
    if book.sealed is None or _sealed_row(book, entry_id) is None:
        return book
    left = [entry for entry in _unseal(book.sealed) if entry.id != entry_id]
    return msgspec.structs.replace(book, sealed=_seal(left))


def lower(book: Book, entry_id: str, amount: int) -> Book:
    """The book with `amount` taken off this id's net; the same book if it does not hold it."""
    if entry_id in book.ids:
        i = book.ids.index(entry_id)
        return msgspec.structs.replace(book, nets=(*book.nets[:i], book.nets[i] - amount, *book.nets[i + 1 :]))
    start = _sealed_row(book, entry_id)
    if book.sealed is None or start is None:
        return book
    rows, field = book.sealed.rows, start + _NET
    net: int = _INT.unpack_from(rows, field)[0]
    rows = rows[:field] + _INT.pack(net - amount) + rows[field + _INT.size :]
    return msgspec.structs.replace(book, sealed=msgspec.structs.replace(book.sealed, rows=rows))


def named(book: Book, order: bytes) -> str | None:
    """The id of the entry with this digest."""
    found = next((entry_id for entry_id in book.ids if digest(entry_id) == order), None)
    if found is not None or book.sealed is None:
        return found
    start = next(offsets(book.sealed.rows, order, width=ROW.size), None)
    return None if start is None else _decode_ids(book.sealed.ids)[start // ROW.size]


def inside(book: Book, after: int) -> tuple[int, int]:
    """How many entries lie above the instant `after`, and the sum of their nets."""
    if not book.ats and book.sealed is None:
        return 0, 0
    i = bisect_right(book.ats, after)
    count, amount = len(book.ats) - i, sum(book.nets[i:])
    if book.sealed is None:
        return count, amount
    table = _table(book.sealed)
    i = int(np.searchsorted(table["at"], after, side="right"))
    return count + len(table) - i, amount + int(table["net"][i:].sum())


def earliest(book: Book, after: int) -> int | None:
    """The smallest instant of an entry above `after`."""
    i = bisect_right(book.ats, after)
    found = book.ats[i] if i < len(book.ats) else None
    if book.sealed is None:
        return found
    ats = _table(book.sealed)["at"]
    i = int(np.searchsorted(ats, after, side="right"))
    if i == len(ats):
        return found
    sealed = int(ats[i])
    return sealed if found is None else min(found, sealed)


def latest(book: Book, until: int) -> int | None:
    """The largest instant of an entry not above `until`."""
    i = bisect_right(book.ats, until)
    found = book.ats[i - 1] if i else None
    if book.sealed is None:
        return found
    ats = _table(book.sealed)["at"]
    i = int(np.searchsorted(ats, until, side="right"))
    sealed = int(ats[i - 1]) if i else None
    return sealed if found is None or (sealed is not None and sealed > found) else found


def first(book: Book) -> Edge | None:
    """The entry with the smallest (instant, id)."""
    opened = Edge(book.ats[0], book.ids[0]) if book.ats else None
    if book.sealed is None:
        return opened
    sealed = Edge(_INT.unpack_from(book.sealed.rows, _AT)[0], book.sealed.first)
    return sealed if opened is None else min(opened, sealed)


def last(book: Book) -> Edge | None:
    """The entry with the largest (instant, id)."""
    opened = Edge(book.ats[-1], book.ids[-1]) if book.ats else None
    if book.sealed is None:
        return opened
    sealed = Edge(_INT.unpack_from(book.sealed.rows, len(book.sealed.rows) - ROW.size + _AT)[0], book.sealed.last)
    return sealed if opened is None else max(opened, sealed)


def entries(book: Book) -> list[Entry]:
    """Everything in the book, sealed first; each part is sorted."""
    sealed = [] if book.sealed is None else _unseal(book.sealed)
    shops, contents = (column or (0,) * len(book.ats) for column in (book.shops, book.contents))
    columns = zip(book.ats, book.ids, book.nets, book.versions, book.aliases, shops, contents, strict=True)
    return sealed + [Entry(*values) for values in columns]


def book_of(found: Sequence[Entry], *, keep: int = OPEN_LIMIT) -> Book:
    """A book of these entries, the newest `keep` of them open."""
    ordered = sorted(found)
    cut = max(0, len(ordered) - keep)
    opened = ordered[cut:]
    return Book(
        tuple(entry.at for entry in opened),
        tuple(entry.id for entry in opened),
        tuple(entry.net for entry in opened),
        tuple(entry.version for entry in opened),
        tuple(entry.alias for entry in opened),
        _seal(ordered[:cut]),
        _known(tuple(entry.shop for entry in opened)),
        _known(tuple(entry.content for entry in opened)),
    )


def _seal(ordered: Sequence[Entry]) -> Sealed | None:
    if not ordered:
        return None
    rows = b"".join(ROW.pack(digest(entry.id), entry.version, entry.at, entry.net, entry.alias) for entry in ordered)
    told = b"".join(TOLD.pack(entry.shop, entry.content) for entry in ordered)
    told = told if any(told) else b""
    return Sealed(rows, _encode_ids([entry.id for entry in ordered]), ordered[0].id, ordered[-1].id, told)


def _unseal(sealed: Sealed) -> list[Entry]:
    told = TOLD.iter_unpack(sealed.told or bytes(len(sealed.rows) // ROW.size * TOLD.size))
    rows = zip(ROW.iter_unpack(sealed.rows), _decode_ids(sealed.ids), told, strict=True)
    return [Entry(at, entry_id, net, version, alias, *more) for (_, version, at, net, alias), entry_id, more in rows]


def _at(column: tuple[int, ...], place: int) -> int:
    return column[place] if column else 0


def _grown(column: tuple[int, ...], place: int, value: int, size: int) -> tuple[int, ...]:
    """The column of `size` values with one more; empty while all of them are 0."""
    if not column and not value:
        return column
    column = column or (0,) * size
    return (*column[:place], value, *column[place:])


def _known(column: tuple[int, ...]) -> tuple[int, ...]:
    return column if any(column) else ()


def _sealed_row(book: Book, entry_id: str) -> int | None:
    if book.sealed is None:
        return None
    return next(offsets(book.sealed.rows, digest(entry_id), width=ROW.size), None)


def _table(sealed: Sealed) -> npt.NDArray[np.void]:
    return np.frombuffer(sealed.rows, dtype=_FIELDS)
