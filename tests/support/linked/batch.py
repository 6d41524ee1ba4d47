"""What people, orders, consents and totals must be, by union-find over a whole history; shares no code with the services."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from shared.contract.facts import ConsentSet, Fact, OrderCancelled, OrderPlaced, OrderRefunded, TraitsSet


class Told(msgspec.Struct, frozen=True):
    """An event and the ids that it named, the strongest first."""

    fact: Fact
    ids: tuple[str, ...]


class Totals(msgspec.Struct, frozen=True):
    """A person: orders in force as (id, instant, net), all sorted."""

    orders: tuple[tuple[str, int, int], ...] = ()
    total: int = 0
    consents: tuple[tuple[str, bool], ...] = ()
    birthday: str = ""


def people(named: Iterable[Sequence[str]]) -> dict[str, str]:
    """Id → the id that stands for the person: the largest of all that are connected."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        root.setdefault(name, name)
        while root[name] != name:
            name = root[name]
        return name

    for ids in named:
        for one in ids:
            low, high = sorted((find(ids[0]), find(one)))
            root[low] = high
    return {name: find(name) for name in root}


def totals(told: Iterable[Told]) -> Totals:
    """Of one person's events, in any order and however often each was told."""
    facts = [one.fact for one in told]
    orders: dict[str, OrderPlaced] = {}
    for order in facts:
        if isinstance(order, OrderPlaced) and order.version > getattr(orders.get(order.order_id), "version", 0):
            orders[order.order_id] = order
    gone = {fact.order_id for fact in facts if isinstance(fact, OrderCancelled)}
    refunds = {fact.refund_id: fact for fact in facts if isinstance(fact, OrderRefunded)}
    back: dict[str, int] = {}
    for refund in refunds.values():
        back[refund.order_id] = back.get(refund.order_id, 0) + refund.amount
    stand = {name: order for name, order in orders.items() if name not in gone}
    nets = sorted((name, order.at, order.amount - back.get(name, 0)) for name, order in stand.items())
    consents = {f"{c.channel}/{c.purpose}": c for c in sorted(facts, key=lambda f: f.at) if isinstance(c, ConsentSet)}
    born = [fact.traits["birthday"] for fact in sorted(facts, key=lambda f: f.at) if isinstance(fact, TraitsSet)]
    return Totals(
        tuple(nets),
        sum(net for _, _, net in nets) - back.get("", 0),
        tuple(sorted((name, consent.granted) for name, consent in consents.items())),
        born[-1] if born else "",
    )
