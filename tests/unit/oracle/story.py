"""A small log told line by line, for tests of the oracle."""

from __future__ import annotations

from typing import Any

from shared.contract.broadcasts import Cuts, CutsPublished, PolicyPublished, Tick
from shared.contract.codec import encode
from shared.contract.facts import (
    ConsentSet,
    CustomerFact,
    MessageReported,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    ProductViewed,
    TraitsSet,
)
from shared.shop import DAY, Shop
from tests.oracle.answers import Answer, CustomerAnswer
from tests.oracle.fold import fold_log
from tests.oracle.reader import LogRecord

HOUR = 3_600_000
MINUTE = 60_000
T0 = 1_735_689_600_000
"""2025-01-01T00:00Z."""
SHOP = Shop(zone="UTC")
ANN = "ann"


def at(days: float = 0, *, hours: float = 0, minutes: float = 0, ms: int = 0) -> int:
    """That long after T0."""
    return T0 + int(days * DAY + hours * HOUR + minutes * MINUTE) + ms


class Story:
    """Records of partition 0 in offset order; `scenario` as the stack's setting."""

    def __init__(self, *, scenario: bool = True, shop: Shop = SHOP, epoch_ms: int = DAY) -> None:
        self.scenario, self.shop, self.epoch_ms = scenario, shop, epoch_ms
        self.records: list[LogRecord] = []

    def raw(self, key: str | None, value: bytes | None, *, arrived: int = T0) -> Story:
        key_bytes = None if key is None else key.encode()
        self.records.append(LogRecord(0, len(self.records), arrived, key_bytes, value))
        return self

    def tell(self, *facts: CustomerFact, customer: str = ANN, arrived: int = T0) -> Story:
        for fact in facts:
            self.raw(customer, encode(fact), arrived=arrived)
        return self

    def tick(self, as_of: int, *, scenario: bool = True, arrived: int = T0) -> Story:
        return self.raw(None, encode(Tick(as_of=as_of, scenario=scenario)), arrived=arrived)

    def days(self, first: int, last: int) -> Story:
        """One tick at every midnight of these days."""
        for number in range(first, last + 1):
            self.tick(at(number))
        return self

    def cuts(self, cuts: Cuts | None, *, epoch: int, digest: str = "d", population: int = 1) -> Story:
        told = CutsPublished(epoch=epoch, digest=digest, cuts=cuts, population=population)
        return self.raw(None, encode(told))

    def policy(self, *rules: dict[str, Any], number: int = 1, **more: Any) -> Story:
        document = {"version": number, "rules": list(rules)} | more
        return self.raw(None, encode(PolicyPublished(number=number, document=document)))

    def fold(self) -> Answer:
        return fold_log({0: self.records}, self.shop, epoch_ms=self.epoch_ms, scenario=self.scenario)

    def ann(self) -> CustomerAnswer:
        return self.fold().customers[ANN]


def order(name: str, when: int, amount: int = 1000, *, version: int = 1, **more: Any) -> OrderPlaced:
    event = more.pop("id", f"e-{name}-{version}")
    return OrderPlaced(id=event, at=when, order_id=name, amount=amount, currency="CNY", version=version, **more)


def refund(name: str, when: int, amount: int, order_id: str = "", **more: Any) -> OrderRefunded:
    given: dict[str, Any] = {"id": f"e-{name}"} | more
    return OrderRefunded(at=when, refund_id=name, amount=amount, currency="CNY", order_id=order_id, **given)


def cancel(order_id: str, when: int, name: str = "c") -> OrderCancelled:
    return OrderCancelled(id=f"e-{name}", at=when, order_id=order_id)


def view(name: str, when: int, product: str = "p", **more: Any) -> ProductViewed:
    return ProductViewed(id=name, at=when, product=product, **more)


def traits(name: str, when: int, **given: Any) -> TraitsSet:
    return TraitsSet(id=name, at=when, traits=given)


def consent(channel: Any = "sms", purpose: Any = "marketing", *, granted: bool = True, when: int = T0) -> ConsentSet:
    name = f"consent-{channel}-{purpose}-{granted}-{when}"
    return ConsentSet(id=name, at=when, channel=channel, purpose=purpose, granted=granted, contacts=("phone",))


def reported(command: str, status: Any, when: int) -> MessageReported:
    return MessageReported(
        id=f"m-{command}-{status}", at=when, command_id=command, rule="r", channel="sms", status=status
    )


def sms(rule_id: str, when: dict[str, Any], *, value: int = 100, **more: Any) -> dict[str, Any]:
    """A rule that sends one SMS."""
    touch = {"message": {"channel": "sms", "template": f"t-{rule_id}"}}
    return {"id": rule_id, "when": when, "value": value, "purpose": "marketing", "touches": [touch]} | more


def verdicts(answer: CustomerAnswer) -> list[tuple[str, str, int, str, str]]:
    """(rule, trigger key, decided_at, verdict, reason) of every decision in order."""
    return [(one.rule, one.trigger_key, one.decided_at, one.verdict, one.reason) for one in answer.decisions]


def moves(answer: CustomerAnswer) -> list[tuple[int, str, str, str, int, str]]:
    """(seq, dimension, before, after, effective_at, cause) of every change in order."""
    return [(m.seq, m.dimension, m.before, m.after, m.effective_at, m.cause) for m in answer.changes]
