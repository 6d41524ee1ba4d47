"""The naive profile: everything recomputed from the list of all facts, every time; shares no code with the service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shared.contract.bundles import Consent, Profile
from shared.contract.facts import (
    ConsentSet,
    CustomerFact,
    MessageReported,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    TagsSet,
    TraitsSet,
)
from shared.shop import DAY

WINDOW = 2 * DAY
Inside = Callable[[int, int], bool]
"""(instant of an order, instant) → whether it is inside the window."""


def inside_window(a: int, t: int) -> bool:
    return t - WINDOW < a <= t


def is_duplicate(fact: CustomerFact, earlier: Sequence[CustomerFact]) -> bool:
    if isinstance(fact, OrderPlaced):
        return any(
            (isinstance(e, OrderCancelled) and e.order_id == fact.order_id)
            or (isinstance(e, OrderPlaced) and e.order_id == fact.order_id and e.version >= fact.version)
            for e in earlier
        )
    if isinstance(fact, OrderRefunded):
        return any(isinstance(e, OrderRefunded) and e.refund_id == fact.refund_id for e in earlier)
    if isinstance(fact, OrderCancelled):
        return any(isinstance(e, OrderCancelled) and e.order_id == fact.order_id for e in earlier)
    return any(e.id == fact.id for e in earlier)


def standing(facts: Sequence[CustomerFact]) -> list[tuple[int, str, int]]:
    """(at, id, net) of the orders known and not cancelled."""
    cancelled = {f.order_id for f in facts if isinstance(f, OrderCancelled)}
    refunds = {f.refund_id: f for f in facts if isinstance(f, OrderRefunded)}
    latest: dict[str, OrderPlaced] = {}
    for f in facts:
        if isinstance(f, OrderPlaced) and (f.order_id not in latest or latest[f.order_id].version < f.version):
            latest[f.order_id] = f
    return sorted(
        (o.at, o.order_id, o.amount - sum(r.amount for r in refunds.values() if r.order_id == o.order_id))
        for o in latest.values()
        if o.order_id not in cancelled
    )


def returned(facts: Sequence[CustomerFact]) -> list[tuple[int, int]]:
    found = {f.refund_id: (f.at, -f.amount) for f in facts if isinstance(f, OrderRefunded) and not f.order_id}
    return list(found.values())


def naive(facts: Sequence[CustomerFact], t: int, inside: Inside = inside_window) -> Profile:
    """The profile at t from all facts that were no duplicates."""
    placed, back = standing(facts), returned(facts)
    traits: dict[str, Any] = {}
    consents: dict[str, Consent] = {}
    tags: dict[str, bool] = {}
    for f in sorted(facts, key=lambda f: f.at):  # stable: at equal instants the later record stands later
        if isinstance(f, TraitsSet):
            traits |= f.traits
        if isinstance(f, TagsSet):
            tags |= dict.fromkeys(f.add, True) | dict.fromkeys(f.remove, False)
        if isinstance(f, ConsentSet):
            consents[f"{f.channel}/{f.purpose}"] = Consent(f.granted, f.at)
    statuses = [f.status for f in facts if isinstance(f, MessageReported)]
    return Profile(
        orders=len(placed),
        total=sum(net for _, _, net in placed) + sum(net for _, net in back),
        first_order_at=placed[0][0] if placed else None,
        last_order_at=placed[-1][0] if placed else None,
        first_order_id=placed[0][1] if placed else "",
        last_order_id=placed[-1][1] if placed else "",
        window_orders=sum(inside(a, t) for a, _, _ in placed),
        window_amount=sum(net for a, _, net in placed if inside(a, t)) + sum(net for a, net in back if inside(a, t)),
        **{name: traits[name] for name in ("birthday", "guide", "zone", "level") if name in traits},
        tags=tuple(sorted(name for name, on in tags.items() if on)),
        consents=consents,
        contacts={field: "k" for f in facts for field in f.contacts},
        messages={status: statuses.count(status) for status in statuses},
    )


def leaving(facts: Sequence[CustomerFact], after: int, until: int) -> list[int]:
    instants = {a + WINDOW for a, *_ in standing(facts)} | {a + WINDOW for a, _ in returned(facts)}
    return sorted(d for d in instants if after < d <= until)
