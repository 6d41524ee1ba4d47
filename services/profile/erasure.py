"""What remains of a person who was erased, and which addresses must go; knows docs/semantics.md §7, no engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from services.profile import orders
from services.profile.consents import since
from services.profile.ranks import COMMUTATIVE
from services.profile.state import Book, Contact, State, Tag, Trait
from shared.contract.contact_points import CONTACT_FIELDS
from shared.contract.partitioner import partition_of
from shared.contract.topics import CONTACT_POINTS
from shared.engine.fold.fold import Event, Output

SOURCE = "huitou/profile"
Dated = TypeVar("Dated", Trait, Tag, Contact)


def reach_of(at: int, *, now: int, tolerance: int) -> int:
    """Instant up to which an erasure at `at` reaches: what is known by `now`, as far as a source's clock may run ahead."""
    return max(at, min(now, at + tolerance))


def remaining(state: State, until: int, *, now: int, open_limit: int = orders.OPEN_LIMIT, behaviour: int = 1) -> State:
    """The state without what happened up to `until`; nothing but ids where that is everything (`now` is not above it).

    From behaviour 4 on all that it wants is refused up to `until`.
    """
    refused = max(state.refused, until if behaviour >= COMMUTATIVE else 0)
    if now <= until:
        return State(now=state.now, aliases=state.aliases, erased=until, refused=refused)
    consents, said = since(state, until)
    book, shops = _later_orders(state, until, open_limit)
    return msgspec.structs.replace(
        state,
        orders=book,
        shops=shops,
        returns=_later_entries(state.returns, until, open_limit),
        products={},
        traits=_later(state.traits, until),
        others=_later(state.others, until),
        consents=consents,
        said=said,
        refused=refused,
        contacts=_later(state.contacts, until),
        tags=_later(state.tags, until),
        erased=until,
    )


def tombstones(before: State, after: State, key: str, alias: str) -> tuple[Output, ...]:
    """Take every address out that was ever sealed under one of the person's ids, but for those that remain."""
    sealed = (contact.alias for contact in before.contacts.values())
    ids = dict.fromkeys((key, alias, *before.aliases, *sealed, *before.parts))
    fields = dict.fromkeys((*CONTACT_FIELDS, *before.contacts))
    return tuple(_tombstones(ids, fields, after))


def told_again(state: State, fields: tuple[str, ...], alias: str) -> tuple[Output, ...]:
    """Take out what a fact from before the erasure has brought once more."""
    return tuple(_tombstones({alias: None}, dict.fromkeys(fields), state))


def _tombstones(ids: dict[str, None], fields: dict[str, None], kept: State) -> Iterator[Output]:
    held = {(contact.alias, field) for field, contact in kept.contacts.items()}
    for alias in ids:
        partition = partition_of(alias.encode())
        for field in fields:
            if (alias, field) not in held:
                key = f"{alias}/{field}"
                yield Output(
                    CONTACT_POINTS.name, key, None, partition, Event("contact.point", key, SOURCE, kept.erased)
                )


def _later(values: dict[str, Dated], until: int) -> dict[str, Dated]:
    return {name: value for name, value in values.items() if value.at > until}


def _later_orders(state: State, until: int, open_limit: int) -> tuple[Book, tuple[str, ...]]:
    """The orders that happened later, and the shops of these alone."""
    book = _later_entries(state.orders, until, open_limit)
    left = [entry for entry in orders.entries(book) if entry.shop]
    if not left:
        return book, ()
    shops = tuple(dict.fromkeys(state.shops[entry.shop - 1] for entry in left))
    moved = (
        entry._replace(shop=shops.index(state.shops[entry.shop - 1]) + 1) if entry.shop else entry
        for entry in orders.entries(book)
    )
    return orders.book_of(list(moved), keep=open_limit), shops


def _later_entries(book: Book, until: int, open_limit: int) -> Book:
    return orders.book_of([entry for entry in orders.entries(book) if entry.at > until], keep=open_limit)
