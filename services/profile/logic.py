"""How one fact changes a customer's state; knows docs/semantics.md §2, not the engine and not the window."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.profile import browsing, commutative, orders, refunds
from services.profile.erasure import reach_of, remaining
from services.profile.packed import DIGEST, contains, digest
from services.profile.ranks import COMMUTATIVE, contact_above
from services.profile.state import Contact, State, Tag, Trait
from services.profile.taking import LATEST, MOST, PASSED_ON, Taken, Where, bounded, happened, placed, trait_text
from shared.contract import facts as events
from shared.contract.bundles import Consent
from shared.contract.facts import CustomerFact, Fact

RING: Final = 64
"""Event ids remembered of the facts that carry no id for ever."""

_replace = msgspec.structs.replace


def take(state: State, fact: CustomerFact, where: Where) -> Taken | None:
    """The state with the fact; None if it is a duplicate, or of a time that was erased.

    ValueError names a field that cannot be kept.
    """
    bounded(LATEST, at=fact.at, baseline=fact.baseline or 0)
    kind: Any = type(fact)
    if kind is events.ConsentSet:
        bounded(LATEST, granted_at=fact.granted_at or 0)  # type: ignore[union-attr]
    if where.at <= state.erased and state.erased:
        return None
    rules = _FOR_EVER if where.behaviour < COMMUTATIVE else _FOR_EVER_COMMUTATIVE
    if kind in rules:
        taken: Taken | None = rules[kind](state, fact, where)
    else:
        taken = _ringed(state, fact, where)
    if taken is not None and fact.mode == "import":
        return taken._replace(cause="import")
    return taken


def reach(state: State, fact: Fact, *, where: Where, now: int) -> State:
    """The state with the contact fields that this fact brought, sealed under its alias; `now` is the step's instant."""
    if not fact.contacts:
        return state
    alias, new = where.alias, Contact(where.alias, now)
    contacts = state.contacts | dict.fromkeys(fact.contacts, new)
    if where.behaviour >= COMMUTATIVE:
        contacts |= {field: held for field, held in state.contacts.items() if contact_above(held, contacts[field])}
    return _replace(state, aliases=placed(state.aliases, alias)[0], contacts=contacts)


def _order_placed(state: State, fact: events.OrderPlaced, where: Where) -> Taken | None:
    bounded(MOST, amount=fact.amount)
    bounded(LATEST, version=fact.version)
    if state.cancelled and contains(state.cancelled, digest(fact.order_id)):
        return None
    book, known = state.orders, orders.find(state.orders, fact.order_id)
    if known is not None:
        if fact.version <= known.version:
            return None
        book = orders.remove(book, fact.order_id)
    aliases, alias = placed(state.aliases, where.alias)
    net = fact.amount - refunds.refunded(state.refunds, fact.order_id)
    entry = orders.Entry(where.at, fact.order_id, net, fact.version, alias)
    book = orders.place(book, entry, open_limit=where.open_limit)
    told = happened(fact, where, ref=fact.order_id, status="" if known is None else "revised")
    return Taken(_replace(state, aliases=aliases, orders=book), told, "event" if known is None else "correction")


def _order_refunded(state: State, fact: events.OrderRefunded, where: Where) -> Taken | None:
    bounded(MOST, amount=fact.amount)
    bounded(LATEST, version=fact.version)
    if refunds.known(state.refunds, fact.refund_id) or orders.find(state.returns, fact.refund_id):
        return None
    aliases, alias = placed(state.aliases, where.alias)
    told = happened(fact, where, ref=fact.order_id)
    if not fact.order_id:
        entry = orders.Entry(where.at, fact.refund_id, -fact.amount, 1, alias)
        returns = orders.place(state.returns, entry, open_limit=where.open_limit)
        return Taken(_replace(state, aliases=aliases, returns=returns), told, "correction")
    rows = refunds.add(state.refunds, fact.refund_id, fact.order_id, amount=fact.amount, alias=alias)
    book = orders.lower(state.orders, fact.order_id, fact.amount)
    return Taken(_replace(state, aliases=aliases, refunds=rows, orders=book), told, "correction")


def _order_cancelled(state: State, fact: events.OrderCancelled, where: Where) -> Taken | None:
    bounded(LATEST, version=fact.version or 0)
    order = digest(fact.order_id)
    if contains(state.cancelled, order):
        return None
    book = orders.remove(state.orders, fact.order_id)
    state = _replace(state, cancelled=state.cancelled + order, orders=book)
    return Taken(state, happened(fact, where, ref=fact.order_id), "correction")


def _customer_erased(state: State, fact: events.CustomerErased, where: Where) -> Taken:
    now = max(where.now, state.now)
    until = reach_of(where.at, now=now, tolerance=where.tolerance)
    left = remaining(state, until, now=now, open_limit=where.open_limit, behaviour=where.behaviour)
    return Taken(left, happened(fact, where))


def _ringed(state: State, fact: Fact, where: Where) -> Taken | None:
    """Facts whose repetition is known by the ring of event ids."""
    seen = digest(fact.id)
    if contains(state.ring, seen):
        return None
    ring = (state.ring + seen)[-RING * DIGEST :]
    kind: Any = type(fact)
    rules = _RINGED if where.behaviour < COMMUTATIVE else _RINGED_COMMUTATIVE
    if kind not in rules:  # page views, tracked and kept facts: remembered, nothing more
        return Taken(_replace(state, ring=ring))
    taken: Taken = rules[kind](_replace(state, ring=ring), fact, where)
    return taken


def _product_viewed(state: State, fact: events.ProductViewed, where: Where) -> Taken:
    bought = None if where.behaviour < COMMUTATIVE else orders.latest(state.orders, where.at)
    products, before, after = browsing.beat(state.products, fact.product, where.at, bought=bought)
    told = happened(fact, where, ref=fact.product, before=before, after=after)
    return Taken(_replace(state, products=products), told)


def _traits_set(state: State, fact: events.TraitsSet, where: Where) -> Taken:
    traits, others = dict(state.traits), dict(state.others)
    for name, value in fact.traits.items():
        kept = traits if name in PASSED_ON else others
        if name not in kept or where.at >= kept[name].at:
            kept[name] = Trait(trait_text(name, value), where.at)
    return Taken(_replace(state, traits=traits, others=others), happened(fact, where))


def _tags_set(state: State, fact: events.TagsSet, where: Where) -> Taken:
    tags = dict(state.tags)
    for on, names in ((True, fact.add), (False, fact.remove)):
        for name in names:
            if name not in tags or where.at >= tags[name].at:
                tags[name] = Tag(on, where.at)
    return Taken(_replace(state, tags=tags), happened(fact, where))


def _consent_set(state: State, fact: events.ConsentSet, where: Where) -> Taken:
    name = f"{fact.channel}/{fact.purpose}"
    told = happened(fact, where)
    if name in state.consents and where.at < state.consents[name].at:
        return Taken(state, told)
    return Taken(_replace(state, consents=state.consents | {name: Consent(fact.granted, where.at)}), told)


def _message_reported(state: State, fact: events.MessageReported, where: Where) -> Taken:
    messages = state.messages | {fact.status: state.messages.get(fact.status, 0) + 1}
    return Taken(_replace(state, messages=messages), happened(fact, where, ref=fact.command_id, status=fact.status))


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
_FOR_EVER_COMMUTATIVE: Final[dict[type[Fact], Any]] = _FOR_EVER | commutative.FOR_EVER
_RINGED_COMMUTATIVE: Final[dict[type[Fact], Any]] = _RINGED | commutative.RINGED
