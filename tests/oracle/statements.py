"""All that was told of one customer since behaviour 4, as statements without an order: the largest of each kind holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from shared.contract.bundles import Consent
from shared.contract.facts import (
    ConsentSet,
    CustomerFact,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    TagsSet,
    TraitsSet,
)
from shared.ids import hash64

ANEW = 4
"""The behaviour from which on statements count, whatever order they come in."""
EVER = float("inf")
Word = TypeVar("Word")
REFUSABLE = [
    f"{channel}/{purpose}"
    for channel in ("sms", "email", "wecom", "staff_task")
    for purpose in ("marketing", "service")
]


class Placed(NamedTuple):
    """`shop` and `content` are None of an order from before."""

    version: int
    earlier: int
    gross: int
    shop: str | None = None
    content: int | None = None

    @property
    def at(self) -> int:
        """When it happened."""
        return -self.earlier


class Refunded(NamedTuple):
    """Ranked as it stands."""

    version: int
    away: bool
    names: bool
    amount: int
    hashed: int
    earlier: int
    order: str = ""


class Statements:
    """Each table: name → what was said of it."""

    def __init__(self) -> None:
        self.placed: dict[str, set[Placed]] = {}
        self.cancelled: dict[str, set[float]] = {}
        self.refunded: dict[str, set[Refunded]] = {}
        self.traits: dict[str, set[tuple[int, str]]] = {}
        self.tags: dict[str, set[tuple[int, bool]]] = {}
        self.consents: dict[str, set[tuple[str, int]]] = {}
        """Kinds: refused, dated, undated."""
        self.ever: set[str] = set()
        """Orders that were in force at some time."""
        self.refused = 0

    @classmethod
    def from_before(cls, told: Iterable[tuple[CustomerFact, int]]) -> Statements:
        """What held below behaviour 4 of these facts, each with its instant; of values with one instant the later one."""
        found, words = cls(), list(told)
        for fact, at in words:
            if isinstance(fact, OrderPlaced):
                report, known = Placed(fact.version, -at, fact.amount), found.placed.get(fact.order_id)
                if known is None or report.version > next(iter(known)).version:
                    found.placed[fact.order_id] = {report}
            elif isinstance(fact, OrderCancelled):
                found.cancelled[fact.order_id] = {EVER}
            elif isinstance(fact, OrderRefunded):
                found.refunded.setdefault(fact.refund_id, {refunded(replace(fact, version=1), at)})
        for fact, at in sorted(words, key=lambda word: word[1]):
            if isinstance(fact, ConsentSet):
                kind = "dated" if fact.granted else "refused"
                found.consents[f"{fact.channel}/{fact.purpose}"] = {(kind, at)}
            elif isinstance(fact, TraitsSet):
                found.traits |= {name: {(at, _text(value))} for name, value in fact.traits.items()}
            elif isinstance(fact, TagsSet):
                found.tags |= {name: {(at, False)} for name in fact.add} | {name: {(at, True)} for name in fact.remove}
        found.ever = set(found.orders())
        return found

    def duplicate(self, fact: CustomerFact, at: int) -> bool:
        """Whether an order, refund or cancellation changes nothing of what holds."""
        match fact:
            case OrderPlaced():
                held = self.orders().get(fact.order_id)
                if fact.version <= self.stop(fact.order_id):
                    return True
                return held is not None and not _above(placed(fact, at), held)
            case OrderCancelled():
                return (EVER if fact.version is None else fact.version) <= self.stop(fact.order_id)
            case OrderRefunded():
                known = self.refunds().get(fact.refund_id)
                return known is not None and refunded(fact, at) <= known
        raise TypeError(fact)

    def completes(self, fact: CustomerFact, at: int) -> bool:
        """Whether an order is the one from before, and tells its shop and content now."""
        held = self.orders().get(fact.order_id) if isinstance(fact, OrderPlaced) else None
        if held is None or not isinstance(fact, OrderPlaced):
            return False
        return held.content is None and placed(fact, at)[:3] == held[:3]

    def back(self, order: str) -> bool:
        """Whether this order is known, or was in force before its cancellation."""
        return order in self.orders() or (order in self.cancelled and order in self.ever)

    def tell(self, fact: CustomerFact, at: int) -> None:
        """One more fact of the instant `at`."""
        match fact:
            case OrderPlaced():
                if fact.version > self.stop(fact.order_id):
                    self.placed.setdefault(fact.order_id, set()).add(placed(fact, at))
            case OrderCancelled():
                version = EVER if fact.version is None else fact.version
                self.cancelled.setdefault(fact.order_id, set()).add(version)
            case OrderRefunded():
                self.refunded.setdefault(fact.refund_id, set()).add(refunded(fact, at))
            case TraitsSet():
                for name, value in fact.traits.items():
                    self.traits.setdefault(name, set()).add((at, _text(value)))
            case TagsSet():
                for name, off in (*((name, False) for name in fact.add), *((name, True) for name in fact.remove)):
                    self.tags.setdefault(name, set()).add((at, off))
            case ConsentSet():
                kind = "refused" if not fact.granted else "undated" if fact.granted_at is None else "dated"
                instant = at if fact.granted_at is None or not fact.granted else min(fact.granted_at, at)
                self.consents.setdefault(f"{fact.channel}/{fact.purpose}", set()).add((kind, instant))
            case _:
                pass
        self.ever |= set(self.orders())

    def unite(self, other: Statements, erased: int) -> None:
        """Whatever was told of another id of the person; `erased`: up to where this person was."""
        for table, others in zip(self._tables(), other._tables(), strict=True):
            for name, told in others.items():
                table[name] = table.get(name, set()) | told
        self.ever |= other.ever | self.orders().keys()
        self.refused = max(self.refused, other.refused, erased)

    def forget(self, erased: int, *, nothing: bool, refuse: bool) -> None:
        """Everything up to `erased`; `nothing`: nothing remains. An order or refund goes by the report that holds."""
        if nothing:
            self.placed, self.cancelled, self.refunded, self.ever = {}, {}, {}, set()
        else:
            gone = {name for name, held in self.orders().items() if held.at <= erased}
            self.placed = {name: told for name, told in self.placed.items() if name not in gone}
            self.ever -= gone - self.cancelled.keys()
            loose = {name for name, one in self.refunds().items() if _is_loose(one) and -one.earlier <= erased}
            self.refunded = {name: told for name, told in self.refunded.items() if name not in loose}
        self.traits = _since(self.traits, lambda word: word[0] > erased and not nothing)
        self.tags = _since(self.tags, lambda word: word[0] > erased and not nothing)
        self.consents = _since(self.consents, lambda word: word[1] > erased and not nothing)
        self.refused = max(self.refused, erased if refuse else 0)

    # --- what holds

    def stop(self, order: str) -> float:
        """Up to this version the order is cancelled."""
        return max(self.cancelled.get(order, set()), default=float("-inf"))

    def orders(self) -> dict[str, Placed]:
        """Those in force, before refunds."""
        held = {order: _held(reports) for order, reports in self.placed.items()}
        return {order: one for order, one in held.items() if one.version > self.stop(order)}

    def refunds(self) -> dict[str, Refunded]:
        """By refund id."""
        return {name: max(told) for name, told in self.refunded.items()}

    def consent(self, name: str) -> Consent | None:
        """What holds of this channel and purpose."""
        said = self.consents.get(name, set())
        refusals = [at for kind, at in said if kind == "refused"]
        refusals += [self.refused] if self.refused and name in REFUSABLE else []
        if (
            self.refused and name not in REFUSABLE
        ):  # `all`: what an erasure does not refuse it does not let through either
            said = {(kind, at) for kind, at in said if kind == "refused" or (kind == "dated" and at > self.refused)}
        dated = max((at for kind, at in said if kind == "dated"), default=None)
        if dated is not None and dated > max(refusals, default=dated - 1):
            return Consent(True, dated)
        if refusals:
            return Consent(False, max(refusals))
        undated = [at for kind, at in said if kind == "undated"]
        return Consent(True, max(undated)) if undated else None

    def all_consents(self) -> dict[str, Consent]:
        """By channel and purpose."""
        names = {*self.consents, *(REFUSABLE if self.refused else [])}
        return {name: found for name in names if (found := self.consent(name)) is not None}

    def _tables(self) -> tuple[dict[str, set[Any]], ...]:
        return self.placed, self.cancelled, self.refunded, self.traits, self.tags, self.consents


def united(ours: tuple[Statements, int, int], theirs: tuple[Statements, int, int], erased: int) -> None:
    """Ours with theirs, each given with how far it was erased and had come: what one was erased of, the other loses."""
    copied = deepcopy(theirs[0]), theirs[1], theirs[2]
    for statements, before, now in (ours, copied):
        if before != erased:
            statements.forget(erased, nothing=now <= erased, refuse=True)
    ours[0].unite(copied[0], erased)


def placed(fact: OrderPlaced, at: int) -> Placed:
    """The report."""
    return Placed(fact.version, -at, fact.amount, fact.shop_id, content_of(fact))


def refunded(fact: OrderRefunded, at: int) -> Refunded:
    """The report; the instant counts only of money paid back for no order."""
    names, away = bool(fact.order_id), fact.amount == 0
    hashed = hash64(fact.order_id) if names else 0
    return Refunded(fact.version, away, names, fact.amount, hashed, 0 if names or away else -at, fact.order_id)


def content_of(fact: OrderPlaced) -> int:
    """Hash of what an order says beside its version (docs/semantics.md §2)."""
    said = [
        [fact.at, fact.amount, fact.currency, fact.shop_id, fact.kind, fact.channel, fact.guide_id],
        fact.discount,
        fact.coupon,
        fact.lines,
    ]
    return hash64(msgspec.json.encode(said).decode()) or 1


def _held(reports: Iterable[Placed]) -> Placed:
    """The highest of what every report says; among equals one that says more than those from before."""
    told = list(reports)
    top = max(one[:3] for one in told)
    level = [one for one in told if one[:3] == top]
    return max((one for one in level if one.content is not None), default=level[0], key=lambda one: one[3:])


def _above(new: Placed, held: Placed) -> bool:
    return new[:3] > held[:3] if held.content is None else new > held


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_loose(one: Refunded) -> bool:
    return not one.names and not one.away


def _since(table: dict[str, set[Word]], still: Callable[[Word], bool]) -> dict[str, set[Word]]:
    left = {name: {word for word in told if still(word)} for name, told in table.items()}
    return {name: told for name, told in left.items() if told}
