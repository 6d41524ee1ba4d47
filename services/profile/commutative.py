"""How facts change a customer from behaviour 4 on: in every order of arrival and of linking the same comes out."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.profile import cancellations, consents, orders, ranks, refunds
from services.profile.cancellations import EVERY, Cancelled
from services.profile.packed import digest
from services.profile.ranks import OrderRank, RefundRank
from services.profile.state import Said, State, Tag, Trait
from services.profile.taking import LATEST, MOST, PASSED_ON, Taken, Where, bounded, happened, placed, trait_text
from shared.contract import facts as events
from shared.contract.facts import Fact

_replace = msgspec.structs.replace


def order_placed(state: State, fact: events.OrderPlaced, where: Where) -> Taken | None:
    """The report of the highest rank holds, unless its version is cancelled."""
    bounded(MOST, amount=fact.amount)
    bounded(LATEST, version=fact.version)
    cancelled = cancellations.find(state.cancelled, state.cancels, digest(fact.order_id))
    if cancelled is not None and fact.version <= cancelled.version:
        return None
    known, book = orders.find(state.orders, fact.order_id), state.orders
    back = refunds.refunded(state.refunds, fact.order_id)
    content = ranks.content_of(fact)
    if known is not None:
        new = OrderRank(fact.version, -where.at, fact.amount, fact.shop_id, content)
        held = rank_of(known, back, state.shops)
        if not new.above(held):
            same = not known.content and new[:3] == held[:3]
            return _completed(state, known, fact.shop_id, content, where) if same else None
        book = orders.remove(book, fact.order_id)
    aliases, alias = placed(state.aliases, where.alias)
    shops, shop = placed(state.shops, fact.shop_id)
    entry = orders.Entry(where.at, fact.order_id, fact.amount - back, fact.version, alias, shop + 1, content)
    book = orders.place(book, entry, open_limit=where.open_limit)
    again = known is not None or (cancelled is not None and cancelled.ever)
    told = happened(fact, where, ref=fact.order_id, status="revised" if again else "")
    after = _replace(state, aliases=aliases, shops=shops, orders=book)
    return Taken(after, told, "correction" if again else "event")


def rank_of(entry: orders.Entry, back: int, shops: tuple[str, ...]) -> OrderRank:
    """Of an order that is kept; `back` is what was refunded of it."""
    shop = shops[entry.shop - 1] if entry.shop else ""
    return OrderRank(entry.version, -entry.at, entry.net + back, shop, entry.content)


def _completed(state: State, known: orders.Entry, shop_id: str, content: int, where: Where) -> Taken:
    """An order from before behaviour 4 takes shop and content over; no step comes of it."""
    shops, shop = placed(state.shops, shop_id)
    entry = known._replace(shop=shop + 1, content=content)
    book = orders.place(orders.remove(state.orders, known.id), entry, open_limit=where.open_limit)
    return Taken(_replace(state, shops=shops, orders=book))


def order_cancelled(state: State, fact: events.OrderCancelled, where: Where) -> Taken | None:
    """The order does not count up to this version; without one, never again."""
    version = EVERY if fact.version is None else fact.version
    bounded(LATEST, version=fact.version or 0)
    order = digest(fact.order_id)
    known = cancellations.find(state.cancelled, state.cancels, order)
    if known is not None and version <= known.version:
        return None
    entry, book = orders.find(state.orders, fact.order_id), state.orders
    gone = entry is not None and entry.version <= version
    if gone:
        book = orders.remove(book, fact.order_id)
    tables = cancellations.put(
        state.cancelled, state.cancels, order, Cancelled(version, gone or (known is not None and known.ever))
    )
    after = _replace(state, cancelled=tables[0], cancels=tables[1], orders=book)
    return Taken(after, happened(fact, where, ref=fact.order_id), "correction")


def order_refunded(state: State, fact: events.OrderRefunded, where: Where) -> Taken | None:
    """The report of the highest rank holds, whether it names an order or not."""
    bounded(MOST, amount=fact.amount)
    bounded(LATEST, version=fact.version)
    known, new = known_refund(state, fact.refund_id), ranks.rank_of_refund(fact, where.at)
    if known is not None and new <= known:
        return None
    aliases, alias = placed(state.aliases, where.alias)
    state = _without_refund(_replace(state, aliases=aliases), fact.refund_id)
    told = happened(fact, where, ref=fact.order_id)
    if not fact.order_id and fact.amount:
        entry = orders.Entry(where.at, fact.refund_id, -fact.amount, fact.version, alias)
        returns = orders.place(state.returns, entry, open_limit=where.open_limit)
        return Taken(_replace(state, returns=returns), told, "correction")
    order = digest(fact.order_id) if fact.order_id else ranks.NO_ORDER
    row = refunds.Row(order, fact.amount, alias, fact.version)
    rows, versions = refunds.put(state.refunds, state.versions, digest(fact.refund_id), row)
    book = orders.lower(state.orders, fact.order_id, fact.amount) if fact.order_id else state.orders
    return Taken(_replace(state, refunds=rows, versions=versions, orders=book), told, "correction")


def known_refund(state: State, refund_id: str) -> RefundRank | None:
    """The rank of what is known of this refund."""
    known = []
    if row := refunds.find(state.refunds, state.versions, digest(refund_id)):
        known.append(ranks.refund_rank(row.version, row.order, row.amount, 0))
    if entry := orders.find(state.returns, refund_id):  # a hand-over below behaviour 4 may have left both
        known.append(ranks.refund_rank(entry.version, ranks.NO_ORDER, -entry.net, entry.at))
    return max(known, default=None)


def _without_refund(state: State, refund_id: str) -> State:
    """The state as if it had never heard of this refund."""
    refund = digest(refund_id)
    row = refunds.find(state.refunds, state.versions, refund)
    state = _replace(state, returns=orders.remove(state.returns, refund_id))
    if row is None:
        return state
    rows, versions = refunds.put(state.refunds, state.versions, refund, None)
    named = orders.named(state.orders, row.order)
    book = state.orders if named is None else orders.lower(state.orders, named, -row.amount)
    return _replace(state, refunds=rows, versions=versions, orders=book)


def traits_set(state: State, fact: events.TraitsSet, where: Where) -> Taken:
    """Per name the later value; of one instant the greater text."""
    traits, others = dict(state.traits), dict(state.others)
    for name, value in fact.traits.items():
        kept, new = traits if name in PASSED_ON else others, Trait(trait_text(name, value), where.at)
        if name not in kept or ranks.trait_above(new, kept[name]):
            kept[name] = new
    return Taken(_replace(state, traits=traits, others=others), happened(fact, where))


def tags_set(state: State, fact: events.TagsSet, where: Where) -> Taken:
    """Per tag the later word; of one instant the removal."""
    tags = dict(state.tags)
    for on, names in ((True, fact.add), (False, fact.remove)):
        for name in names:
            new = Tag(on, where.at)
            if name not in tags or ranks.tag_above(new, tags[name]):
                tags[name] = new
    return Taken(_replace(state, tags=tags), happened(fact, where))


def consent_set(state: State, fact: events.ConsentSet, where: Where) -> Taken:
    """A refusal holds until a grant with a later instant of its own. A grant is at most as late as its report."""
    name = f"{fact.channel}/{fact.purpose}"
    if not fact.granted:
        new = Said(refused=where.at)
    elif fact.granted_at is None:
        new = Said(undated=where.at)
    else:
        new = Said(granted=min(fact.granted_at, where.at))
    words = consents.both(consents.said_of(state.consents, state.said, name), new)
    held, said = consents.put(state.consents, state.said, name, words)
    return Taken(_replace(state, consents=held, said=said), happened(fact, where))


FOR_EVER: Final[dict[type[Fact], Any]] = {
    events.OrderPlaced: order_placed,
    events.OrderRefunded: order_refunded,
    events.OrderCancelled: order_cancelled,
}
"""Facts with ids of their own (order, refund): a repeat is recognised for ever."""
RINGED: Final[dict[type[Fact], Any]] = {
    events.TraitsSet: traits_set,
    events.TagsSet: tags_set,
    events.ConsentSet: consent_set,
}
"""Facts without ids of their own: a repeat is recognised by the ring of event ids."""
