"""Two states of one person as one; knows that duplicates may stand in both, not how a hand-over travels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, TypeVar

from services.profile import browsing, consents, orders, ranks, refunds, united
from services.profile.erasure import remaining
from services.profile.logic import RING
from services.profile.packed import contains, digest, split
from services.profile.ranks import COMMUTATIVE
from services.profile.state import Book, Contact, State, Tag, Trait
from services.profile.united import Bought
from shared.contract.bundles import Consent

Dated = TypeVar("Dated", Trait, Tag, Consent, Contact)
Kept = TypeVar("Kept")


def merge(ours: State, theirs: State, *, open_limit: int = orders.OPEN_LIMIT, behaviour: int = 1) -> State:
    """Our state with theirs taken over: orders and refunds as one state would hold them.

    Of values with one instant the one of the larger rank holds, below behaviour 4 theirs, which came later.
    What one of them was erased of, the other loses as well.
    """
    until = max(ours.erased, theirs.erased)
    ours, theirs = (
        part
        if part.erased == until
        else remaining(part, until, now=part.now, open_limit=open_limit, behaviour=behaviour)
        for part in (ours, theirs)
    )
    statuses = ours.messages | theirs.messages
    bought = (_first_told if behaviour < COMMUTATIVE else united.bought)(ours, theirs, open_limit)
    return State(
        now=max(ours.now, theirs.now),
        ring=_ring(ours.ring, theirs.ring),
        products=browsing.merge(ours.products, theirs.products),
        messages={status: ours.messages.get(status, 0) + theirs.messages.get(status, 0) for status in statuses},
        erased=until,
        refused=refused_of(until, behaviour, ours, theirs),
        behaviour=max(ours.behaviour, theirs.behaviour, behaviour if behaviour >= COMMUTATIVE else 0),
        **bought._asdict(),
        **_values(ours, theirs, behaviour),
    )


def refused_of(erased: int, behaviour: int, *halves: State) -> int:
    """Up to where everything counts as refused of a person who was erased up to `erased`."""
    return max(erased if behaviour >= COMMUTATIVE else 0, *(half.refused for half in halves))


def _values(ours: State, theirs: State, behaviour: int) -> dict[str, Any]:
    if behaviour < COMMUTATIVE:
        return {
            "traits": _latest(ours.traits, theirs.traits),
            "others": _latest(ours.others, theirs.others),
            "consents": _latest(ours.consents, theirs.consents),
            "contacts": _latest(ours.contacts, theirs.contacts),
            "tags": _latest(ours.tags, theirs.tags),
        }
    held, said = consents.merged(ours, theirs)
    return {
        "traits": _highest(ours.traits, theirs.traits, ranks.trait_above),
        "others": _highest(ours.others, theirs.others, ranks.trait_above),
        "consents": held,
        "said": said,
        "contacts": _highest(ours.contacts, theirs.contacts, ranks.contact_above),
        "tags": _highest(ours.tags, theirs.tags, ranks.tag_above),
    }


def _first_told(ours: State, theirs: State, open_limit: int) -> Bought:
    """Below behaviour 4: of reports of one version, and of one refund, ours hold."""
    aliases = tuple(dict.fromkeys((*ours.aliases, *theirs.aliases)))
    place = {index: aliases.index(alias) for index, alias in enumerate(theirs.aliases)}
    cancelled = _union(ours.cancelled, theirs.cancelled)
    returns = {entry.id: entry for entry in _placed(theirs.returns, place) + orders.entries(ours.returns)}
    table = _refunds(ours.refunds, theirs.refunds, place)
    found = _gross(orders.entries(ours.orders), ours.refunds)
    for entry in _gross(_placed(theirs.orders, place), theirs.refunds).values():
        if entry.id not in found or entry.version > found[entry.id].version:
            found[entry.id] = entry
    standing = [
        entry._replace(net=entry.net - refunds.refunded(table, entry.id))
        for entry in found.values()
        if not contains(cancelled, digest(entry.id))
    ]
    return Bought(
        aliases=aliases,
        orders=orders.book_of(standing, keep=open_limit),
        returns=orders.book_of(list(returns.values()), keep=open_limit),
        refunds=table,
        cancelled=cancelled,
    )


def _gross(found: list[orders.Entry], rows: bytes) -> dict[str, orders.Entry]:
    """By id, the entries as placed, before the refunds that their own state knew."""
    return {entry.id: entry._replace(net=entry.net + refunds.refunded(rows, entry.id)) for entry in found}


def _placed(book: Book, place: dict[int, int]) -> list[orders.Entry]:
    """Their entries, with our alias indices."""
    return [entry._replace(alias=place[entry.alias]) for entry in orders.entries(book)]


def _refunds(ours: bytes, theirs: bytes, place: dict[int, int]) -> bytes:
    rows = ours
    for refund, order, amount, alias in refunds.ROW.iter_unpack(theirs):
        if not contains(ours, refund, width=refunds.ROW.size):
            rows += refunds.ROW.pack(refund, order, amount, place[alias])
    return rows


def _union(ours: bytes, theirs: bytes) -> bytes:
    return ours + b"".join(row for row in split(theirs) if not contains(ours, row))


def _ring(ours: bytes, theirs: bytes) -> bytes:
    """The newest of both in turn, as many as are remembered."""
    pairs = zip_longest(reversed(split(ours)), reversed(split(theirs)), fillvalue=b"")
    newest_first = list(dict.fromkeys(row for pair in pairs for row in pair if row))
    return b"".join(reversed(newest_first[:RING]))


def _latest(ours: dict[str, Dated], theirs: dict[str, Dated]) -> dict[str, Dated]:
    """Per name the value with the larger instant."""
    return ours | {name: value for name, value in theirs.items() if name not in ours or value.at >= ours[name].at}


def _highest(ours: dict[str, Kept], theirs: dict[str, Kept], above: Callable[[Kept, Kept], bool]) -> dict[str, Kept]:
    """Per name the value of the larger rank."""
    return ours | {name: value for name, value in theirs.items() if name not in ours or above(value, ours[name])}
