"""What two ids of one person have bought, as one: from behaviour 4 on, whichever of them is handed over."""

from __future__ import annotations

from typing import NamedTuple

from services.profile import cancellations, orders, ranks, refunds
from services.profile.commutative import rank_of
from services.profile.orders import Entry
from services.profile.packed import digest
from services.profile.ranks import NO_ORDER, OrderRank, RefundRank
from services.profile.refunds import Row
from services.profile.state import Book, State


class Bought(NamedTuple):
    """Fields of State."""

    aliases: tuple[str, ...]
    orders: Book
    returns: Book
    refunds: bytes
    cancelled: bytes
    versions: bytes = b""
    cancels: bytes = b""
    shops: tuple[str, ...] = ()


class _Refund(NamedTuple):
    rank: RefundRank
    kept: Row | Entry
    """A row of the table, or an entry of `returns`."""


def bought(ours: State, theirs: State, open_limit: int) -> Bought:
    """Per refund and order the report of the highest rank; a cancellation takes away versions up to its own."""
    aliases = tuple(dict.fromkeys((*ours.aliases, *theirs.aliases)))
    shops = tuple(dict.fromkeys((*ours.shops, *theirs.shops)))
    told: dict[bytes, _Refund] = {}
    placed: dict[str, tuple[OrderRank, Entry]] = {}
    for half in (ours, theirs):
        for refund, found in _refunds(half, aliases):
            if refund not in told or found.rank > told[refund].rank:
                told[refund] = found
        for rank, entry in _orders(half, aliases, shops):
            held = placed.get(entry.id)
            if held is None or rank.above(held[0]) or _says_more(rank, held[0]):
                placed[entry.id] = rank, entry
    rows, versions = b"", b""
    for refund, (_, kept) in told.items():
        if isinstance(kept, Row):
            rows, versions = refunds.put(rows, versions, refund, kept)
    tables = cancellations.union((ours.cancelled, ours.cancels), (theirs.cancelled, theirs.cancels))
    standing, gone = list[Entry](), list[str]()
    for rank, entry in placed.values():
        cancelled = cancellations.find(*tables, digest(entry.id))
        if cancelled is not None and entry.version <= cancelled.version:
            gone.append(entry.id)
        else:
            standing.append(entry._replace(net=rank.gross - refunds.refunded(rows, entry.id)))
    loose = [kept for _, kept in told.values() if isinstance(kept, Entry)]
    tables = cancellations.stopped(tables, gone)
    return Bought(
        aliases=aliases,
        orders=orders.book_of(standing, keep=open_limit),
        returns=orders.book_of(loose, keep=open_limit),
        refunds=rows,
        cancelled=tables[0],
        versions=versions,
        cancels=tables[1],
        shops=shops,
    )


def _says_more(rank: OrderRank, held: OrderRank) -> bool:
    """The same, but shop and content are known of this one alone."""
    return bool(rank.content) and not held.content and rank[:3] == held[:3]


def _orders(half: State, aliases: tuple[str, ...], shops: tuple[str, ...]) -> list[tuple[OrderRank, Entry]]:
    found = []
    for entry in orders.entries(half.orders):
        back = refunds.refunded(half.refunds, entry.id)
        shop = shops.index(half.shops[entry.shop - 1]) + 1 if entry.shop else 0
        moved = entry._replace(alias=aliases.index(half.aliases[entry.alias]), shop=shop)
        found.append((rank_of(entry, back, half.shops), moved))
    return found


def _refunds(half: State, aliases: tuple[str, ...]) -> list[tuple[bytes, _Refund]]:
    found: list[tuple[bytes, _Refund]] = []
    for refund, row in refunds.every(half.refunds, half.versions):
        moved = row._replace(alias=aliases.index(half.aliases[row.alias]))
        found.append((refund, _Refund(ranks.refund_rank(row.version, row.order, row.amount, 0), moved)))
    for entry in orders.entries(half.returns):
        rank = ranks.refund_rank(entry.version, NO_ORDER, -entry.net, entry.at)
        found.append((digest(entry.id), _Refund(rank, entry._replace(alias=aliases.index(half.aliases[entry.alias])))))
    return found
