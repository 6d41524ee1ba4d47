"""Which facts of a customer count, when they happened, at which instant they are taken; knows his records, no rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from deploy.oracle.log import Told
from shared.chain import Cause
from shared.events import (
    ComplaintMade,
    ContractSet,
    CustomerErased,
    CustomerFact,
    DeliveryViewed,
    OrderCancelled,
    OrderPlaced,
    OrderReceived,
    OrderRefunded,
    OrderShipped,
    OrdersViewed,
    PageViewed,
    StoreVisited,
    SurveyAnswered,
    TicketUpdated,
    Tracked,
)
from shared.shop import DAY

SKEW = 5 * 60_000
"""Milliseconds that a source's clock may run ahead of arrival."""
RING = 64
"""Event ids remembered per customer for facts that have no key of their own."""

SILENT = (
    PageViewed,
    Tracked,
    OrderShipped,
    OrderReceived,
    StoreVisited,
    OrdersViewed,
    DeliveryViewed,
    TicketUpdated,
    ComplaintMade,
    SurveyAnswered,
    ContractSet,
)
"""Facts that are kept and tell the next hop nothing."""

Fate = Literal["applied", "duplicate"]


class Taken(msgspec.Struct, frozen=True):
    """One fact after clamping: `at` when it happened, `instant` when the customer is stepped by it, ms."""

    told: Told
    at: int
    instant: int
    fate: Fate
    cause: Cause
    revised: bool
    """An order of which an earlier version was known."""
    erased: int = 0
    """What happened up to this instant is forgotten from here on; 0 where the fact erases nothing."""
    nothing_left: bool = False
    """Erased: the customer had not come further than that, so everything is forgotten."""

    @property
    def fact(self) -> CustomerFact:
        """The fact itself."""
        return self.told.fact

    @property
    def quiet(self) -> bool:
        """It makes no step: nothing goes to the next hop."""
        return self.fate == "duplicate" or isinstance(self.fact, SILENT)

    @property
    def purchase(self) -> bool:
        """An order told for the first time."""
        return isinstance(self.fact, OrderPlaced) and self.fate == "applied" and not self.revised


def take(history: Sequence[Told], *, scenario: bool) -> list[Taken]:
    """Every fact of one customer, in the order of the log, with its fate."""
    taken: list[Taken] = []
    remembered: list[Taken] = []
    now = erased = 0
    for told in history:
        at, reached = happened_at(told, scenario=scenario), max(told.clock, now)
        forgotten = erased > 0 and at <= erased
        fate: Fate = "duplicate" if forgotten or _known(told.fact, remembered) else "applied"
        revised = isinstance(told.fact, OrderPlaced) and _versions(told.fact.order_id, remembered) != []
        one = Taken(told, at, max(reached, at), fate, _cause(told.fact, revised=revised), revised)
        if isinstance(told.fact, CustomerErased) and fate == "applied":
            erased = max(at, min(reached, at + (DAY if scenario else SKEW)))
            one = msgspec.structs.replace(one, erased=erased, nothing_left=reached <= erased)
            remembered = [] if one.nothing_left else without_forgotten(remembered, erased)
        if not one.quiet:
            now = one.instant
        taken.append(one)
        if not forgotten:
            remembered.append(one)
    return taken


def without_forgotten(before: Sequence[Taken], erased: int) -> list[Taken]:
    """Facts but for orders and loose refunds that happened up to `erased`; an order counts by its version in force."""
    in_force = {one.fact.order_id: one.at for one in before if isinstance(one.fact, OrderPlaced) and _applied(one)}

    def gone(one: Taken) -> bool:
        if isinstance(one.fact, OrderPlaced):
            return in_force.get(one.fact.order_id, 0) <= erased
        return isinstance(one.fact, OrderRefunded) and not one.fact.order_id and one.at <= erased

    return [one for one in before if not gone(one)]


def _applied(one: Taken) -> bool:
    return one.fate == "applied"


def happened_at(told: Told, *, scenario: bool) -> int:
    """The fact's own instant, or its arrival where it claims to come from the future."""
    at = told.fact.at
    if scenario:
        return told.clock if told.clock and at > told.clock + DAY else at
    return told.arrived if at > told.arrived + SKEW else at


def _known(fact: CustomerFact, before: Sequence[Taken]) -> bool:
    """Whether the customer's earlier facts make this one a duplicate."""
    match fact:
        case OrderPlaced():
            surpassed = any(fact.version <= known for known in _versions(fact.order_id, before))
            return surpassed or _cancelled(fact.order_id, before)
        case OrderCancelled():
            return _cancelled(fact.order_id, before)
        case OrderRefunded():
            return any(isinstance(one.fact, OrderRefunded) and one.fact.refund_id == fact.refund_id for one in before)
        case CustomerErased():
            return False  # one that reaches no further is of a time that was erased
    return fact.id in _ring(before)


def _ring(before: Sequence[Taken]) -> list[str]:
    """The latest ids of facts that have no key of their own; repeats take no place."""
    ids: list[str] = []
    for one in reversed(before):
        if len(ids) == RING:
            break
        keyed = OrderPlaced | OrderRefunded | OrderCancelled | CustomerErased
        if one.fate == "applied" and not isinstance(one.fact, keyed):
            ids.append(one.fact.id)
    return ids


def _versions(order_id: str, before: Sequence[Taken]) -> list[int]:
    """Versions of this order that were applied, rising."""
    orders = [one.fact for one in before if isinstance(one.fact, OrderPlaced) and one.fate == "applied"]
    return [order.version for order in orders if order.order_id == order_id]


def _cancelled(order_id: str, before: Sequence[Taken]) -> bool:
    return any(isinstance(one.fact, OrderCancelled) and one.fact.order_id == order_id for one in before)


def _cause(fact: CustomerFact, *, revised: bool) -> Cause:
    if fact.mode == "import":
        return "import"
    return "correction" if revised or isinstance(fact, OrderRefunded | OrderCancelled) else "event"
