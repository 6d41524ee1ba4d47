"""Which facts of a customer count, when they happened, at which instant they are taken; knows his records, no rules."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal

import msgspec

from shared.contract.bundles import Cause
from shared.contract.facts import (
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
from tests.oracle.log import Told
from tests.oracle.statements import ANEW, Statements, united

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
    completes: bool = False
    """It tells shop and content of an order from before behaviour 4, and nothing else."""
    behaviour: int = 1
    """By which it was decided."""
    nothing_left: bool = False
    """Erased: the customer had not come further than that, so everything is forgotten."""

    @property
    def fact(self) -> CustomerFact:
        """The fact itself."""
        return self.told.fact

    @property
    def quiet(self) -> bool:
        """It makes no step: nothing goes to the next hop."""
        return self.fate == "duplicate" or self.completes or isinstance(self.fact, SILENT)

    @property
    def purchase(self) -> bool:
        """An order told for the first time."""
        return isinstance(self.fact, OrderPlaced) and not self.quiet and not self.revised


class Acceptance:
    """What was told of one customer so far, which makes later facts duplicates."""

    def __init__(self) -> None:
        self.before: list[Taken] = []
        self.ring: list[str] = []
        """The latest ids of facts that have no key of their own; repeats take no place."""
        self.now = 0
        self.erased = 0
        self.statements: Statements | None = None
        """From the first fact of behaviour 4 on."""

    def take(self, told: Told, *, scenario: bool, behaviour: int = 1) -> Taken:
        """One more fact, in the order of the log, with its fate."""
        at, fact, reached = happened_at(told, scenario=scenario), told.fact, max(told.clock, self.now)
        forgotten = self.erased > 0 and at <= self.erased
        anew = self.anew() if behaviour >= ANEW else None
        completes = anew is not None and not forgotten and anew.completes(fact, at)
        fate: Fate = "duplicate" if forgotten or (self._known(fact, at, anew) and not completes) else "applied"
        revised = isinstance(fact, OrderPlaced) and (
            _versions(fact.order_id, self.before) != [] if anew is None else anew.back(fact.order_id)
        )
        one = Taken(
            told,
            at,
            max(reached, at),
            fate,
            _cause(fact, revised=revised),
            revised,
            completes=completes,
            behaviour=behaviour,
        )
        if anew is not None and fate == "applied":
            anew.tell(fact, at)
        if isinstance(fact, CustomerErased) and fate == "applied":
            erased = max(at, min(reached, at + (DAY if scenario else SKEW)))
            one = msgspec.structs.replace(one, erased=erased, nothing_left=reached <= erased)
            self.before, self.ring = self._left(erased, reached)
            if anew is not None:
                anew.forget(erased, nothing=reached <= erased, refuse=True)
            self.erased = erased
        if not one.quiet:
            self.now = one.instant
        if fate == "applied" and not isinstance(fact, OrderPlaced | OrderRefunded | OrderCancelled | CustomerErased):
            self.ring = [*self.ring, fact.id][-RING:]
        if not forgotten:
            self.before.append(one)
        return one

    def absorb(self, other: Acceptance, clock: int, behaviour: int = 1) -> int:
        """Everything of another id of the person, as if told here; the instant at which it is taken over."""
        erased = max(self.erased, other.erased)
        if behaviour >= ANEW:
            united((self.anew(), self.erased, self.now), (other.anew(), other.erased, other.now), erased)
        before, ring = self._left(erased, self.now)
        theirs, their_ring = other._left(erased, other.now)
        pairs = zip_longest(reversed(ring), reversed(their_ring))
        newest = list(dict.fromkeys(event for pair in pairs for event in pair if event is not None))
        self.before, self.ring, self.erased = before + theirs, newest[:RING][::-1], erased
        self.now = max(clock, self.now, other.now)
        return self.now

    def _left(self, erased: int, now: int) -> tuple[list[Taken], list[str]]:
        """Facts and ring of one who had come to `now`, without what happened up to `erased`; unchanged if he lost it before."""
        if erased == self.erased:
            return self.before, self.ring
        return ([], []) if now <= erased else (without_forgotten(self.before, erased), self.ring)

    def anew(self) -> Statements:
        """What was told, without an order; of facts from before behaviour 4 what held of them."""
        if self.statements is None:
            counted = [(one.fact, one.at) for one in self.before if one.fate == "applied"]
            self.statements = Statements.from_before(counted)
        return self.statements

    def _known(self, fact: CustomerFact, at: int, anew: Statements | None) -> bool:
        """Whether the customer's earlier facts make this one a duplicate."""
        if anew is not None and isinstance(fact, OrderPlaced | OrderCancelled | OrderRefunded):
            return anew.duplicate(fact, at)
        match fact:
            case OrderPlaced():
                surpassed = any(fact.version <= known for known in _versions(fact.order_id, self.before))
                return surpassed or _cancelled(fact.order_id, self.before)
            case OrderCancelled():
                return _cancelled(fact.order_id, self.before)
            case OrderRefunded():
                refunds = (one.fact for one in self.before if isinstance(one.fact, OrderRefunded))
                return any(refund.refund_id == fact.refund_id for refund in refunds)
            case CustomerErased():
                return False  # one that reaches no further is of a time that was erased
        return fact.id in self.ring


def without_forgotten(before: Sequence[Taken], erased: int) -> list[Taken]:
    """Facts but for orders and loose refunds that happened up to `erased`; an order counts by its version in force."""
    in_force: dict[str, tuple[int, int]] = {}
    for one in before:
        if isinstance(one.fact, OrderPlaced) and one.fate == "applied":
            version, _ = in_force.get(one.fact.order_id, (one.fact.version - 1, 0))
            if one.fact.version > version:
                in_force[one.fact.order_id] = one.fact.version, one.at

    def gone(one: Taken) -> bool:
        if isinstance(one.fact, OrderPlaced):
            return in_force.get(one.fact.order_id, (0, 0))[1] <= erased
        return isinstance(one.fact, OrderRefunded) and not one.fact.order_id and one.at <= erased

    return [one for one in before if not gone(one)]


def happened_at(told: Told, *, scenario: bool) -> int:
    """The fact's own instant, or its arrival where it claims to come from the future."""
    at = told.fact.at
    if scenario:
        return told.clock if told.clock and at > told.clock + DAY else at
    return told.arrived if at > told.arrived + SKEW else at


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
