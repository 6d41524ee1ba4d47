"""How one fact changes a customer's state; knows docs/semantics.md §2, not the engine and not the window."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from services.profile import browsing, orders, refunds
from services.profile.erasure import reach_of, remaining
from services.profile.packed import DIGEST, contains, digest
from services.profile.state import Contact, State, Tag, Trait
from shared.contract import facts as events
from shared.contract.bundles import Cause, Consent, Happened
from shared.contract.facts import CustomerFact, Fact

RING: Final = 64
"""Event ids remembered of the facts that carry no id for ever."""
PASSED_ON: Final = ("birthday", "guide", "zone", "level")
"""Traits that later hops see."""
MOST: Final = 10**14
"""Largest amount either way, minor units: so the sums of a whole state stay within 64 bits."""
LATEST: Final = 2**53
"""Above every instant, as told or clamped, and every order version."""

_replace = msgspec.structs.replace
_json = msgspec.json.Encoder(order="sorted").encode


class Where(NamedTuple):
    """The circumstances of a fact."""

    alias: str
    """Customer id under which it came."""
    at: int
    """Its own time, clamped."""
    open_limit: int = orders.OPEN_LIMIT
    now: int = 0
    """Logical now of the customer before the fact."""
    tolerance: int = 0
    """Milliseconds that a source's clock may run ahead."""
    forwarded: str = ""
    """The id under which it came, where that is not the customer's own."""


class Taken(NamedTuple):
    """A fact that was no duplicate."""

    state: State
    happened: Happened | None = None
    """None: nothing is sent on."""
    cause: Cause = "event"


def take(state: State, fact: CustomerFact, where: Where) -> Taken | None:
    """The state with the fact; None if it is a duplicate, or of a time that was erased.

    ValueError names a field that cannot be kept.
    """
    _bounded(LATEST, at=fact.at, baseline=fact.baseline or 0)
    kind: Any = type(fact)
    if where.at <= state.erased and state.erased:
        return None
    if kind in _FOR_EVER:
        taken: Taken | None = _FOR_EVER[kind](state, fact, where)
    else:
        taken = _ringed(state, fact, where)
    if taken is not None and fact.mode == "import":
        return taken._replace(cause="import")
    return taken


def reach(state: State, fact: Fact, *, alias: str, now: int) -> State:
    """The state with the contact fields that this fact brought, sealed under `alias`; `now` is the step's instant."""
    if not fact.contacts:
        return state
    contacts = state.contacts | dict.fromkeys(fact.contacts, Contact(alias, now))
    return _replace(state, aliases=_alias(state, alias)[0], contacts=contacts)


def _order_placed(state: State, fact: events.OrderPlaced, where: Where) -> Taken | None:
    _bounded(MOST, amount=fact.amount)
    _bounded(LATEST, version=fact.version)
    if state.cancelled and contains(state.cancelled, digest(fact.order_id)):
        return None
    book, known = state.orders, orders.find(state.orders, fact.order_id)
    if known is not None:
        if fact.version <= known.version:
            return None
        book = orders.remove(book, fact.order_id)
    aliases, alias = _alias(state, where.alias)
    net = fact.amount - refunds.refunded(state.refunds, fact.order_id)
    entry = orders.Entry(where.at, fact.order_id, net, fact.version, alias)
    book = orders.place(book, entry, open_limit=where.open_limit)
    happened = _happened(fact, where, ref=fact.order_id, status="" if known is None else "revised")
    return Taken(_replace(state, aliases=aliases, orders=book), happened, "event" if known is None else "correction")


def _order_refunded(state: State, fact: events.OrderRefunded, where: Where) -> Taken | None:
    _bounded(MOST, amount=fact.amount)
    if refunds.known(state.refunds, fact.refund_id) or orders.find(state.returns, fact.refund_id):
        return None
    aliases, alias = _alias(state, where.alias)
    happened = _happened(fact, where, ref=fact.order_id)
    if not fact.order_id:
        entry = orders.Entry(where.at, fact.refund_id, -fact.amount, 1, alias)
        returns = orders.place(state.returns, entry, open_limit=where.open_limit)
        return Taken(_replace(state, aliases=aliases, returns=returns), happened, "correction")
    rows = refunds.add(state.refunds, fact.refund_id, fact.order_id, amount=fact.amount, alias=alias)
    book = orders.lower(state.orders, fact.order_id, fact.amount)
    return Taken(_replace(state, aliases=aliases, refunds=rows, orders=book), happened, "correction")


def _order_cancelled(state: State, fact: events.OrderCancelled, where: Where) -> Taken | None:
    order = digest(fact.order_id)
    if contains(state.cancelled, order):
        return None
    book = orders.remove(state.orders, fact.order_id)
    state = _replace(state, cancelled=state.cancelled + order, orders=book)
    return Taken(state, _happened(fact, where, ref=fact.order_id), "correction")


def _customer_erased(state: State, fact: events.CustomerErased, where: Where) -> Taken:
    now = max(where.now, state.now)
    until = reach_of(where.at, now=now, tolerance=where.tolerance)
    left = remaining(state, until, now=now, open_limit=where.open_limit)
    return Taken(left, _happened(fact, where))


def _ringed(state: State, fact: Fact, where: Where) -> Taken | None:
    """Facts whose repetition is known by the ring of event ids."""
    seen = digest(fact.id)
    if contains(state.ring, seen):
        return None
    ring = (state.ring + seen)[-RING * DIGEST :]
    kind: Any = type(fact)
    if kind not in _RINGED:  # page views, tracked and kept facts: remembered, nothing more
        return Taken(_replace(state, ring=ring))
    taken: Taken = _RINGED[kind](_replace(state, ring=ring), fact, where)
    return taken


def _product_viewed(state: State, fact: events.ProductViewed, where: Where) -> Taken:
    products, before, after = browsing.beat(state.products, fact.product, where.at)
    happened = _happened(fact, where, ref=fact.product, before=before, after=after)
    return Taken(_replace(state, products=products), happened)


def _traits_set(state: State, fact: events.TraitsSet, where: Where) -> Taken:
    traits, others = dict(state.traits), dict(state.others)
    for name, value in fact.traits.items():
        if name in PASSED_ON:
            kept, text = traits, value if isinstance(value, str) else ""
        else:
            kept, text = others, _json(value).decode()  # msgpack has no room for every number that JSON can write
        if name not in kept or where.at >= kept[name].at:
            kept[name] = Trait(text, where.at)
    return Taken(_replace(state, traits=traits, others=others), _happened(fact, where))


def _tags_set(state: State, fact: events.TagsSet, where: Where) -> Taken:
    tags = dict(state.tags)
    for on, names in ((True, fact.add), (False, fact.remove)):
        for name in names:
            if name not in tags or where.at >= tags[name].at:
                tags[name] = Tag(on, where.at)
    return Taken(_replace(state, tags=tags), _happened(fact, where))


def _consent_set(state: State, fact: events.ConsentSet, where: Where) -> Taken:
    name = f"{fact.channel}/{fact.purpose}"
    happened = _happened(fact, where)
    if name in state.consents and where.at < state.consents[name].at:
        return Taken(state, happened)
    return Taken(_replace(state, consents=state.consents | {name: Consent(fact.granted, where.at)}), happened)


def _message_reported(state: State, fact: events.MessageReported, where: Where) -> Taken:
    messages = state.messages | {fact.status: state.messages.get(fact.status, 0) + 1}
    return Taken(_replace(state, messages=messages), _happened(fact, where, ref=fact.command_id, status=fact.status))


def _happened(fact: Fact, where: Where, **more: Any) -> Happened:
    return Happened(
        what=str(fact.__struct_config__.tag),
        id=fact.id,
        at=where.at,
        silent=fact.mode == "import",
        baseline=fact.baseline,
        confirmed=fact.confirmed,
        alias=where.forwarded,
        **more,
    )


def _alias(state: State, alias: str) -> tuple[tuple[str, ...], int]:
    """The aliases with this one, and its place among them."""
    if alias in state.aliases:
        return state.aliases, state.aliases.index(alias)
    return (*state.aliases, alias), len(state.aliases)


def _bounded(most: int, **fields: int) -> None:
    for name, value in fields.items():
        if not -most <= value <= most:
            raise ValueError(f"{name}: {value} is beyond what can be kept, ±{most}")


_FOR_EVER: Final[dict[type[Fact], Any]] = {
    events.OrderPlaced: _order_placed,
    events.OrderRefunded: _order_refunded,
    events.OrderCancelled: _order_cancelled,
    events.CustomerErased: _customer_erased,
}
_RINGED: Final[dict[type[Fact], Any]] = {
    events.ProductViewed: _product_viewed,
    events.TraitsSet: _traits_set,
    events.TagsSet: _tags_set,
    events.ConsentSet: _consent_set,
    events.MessageReported: _message_reported,
}
