"""Two hundred facts of fourteen customers over six weeks, the same each time; knows shapes, runs nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import msgspec
import yaml

import services.trigger_engine
from shared.contract.broadcasts import PolicyPublished
from shared.contract.facts import (
    ConsentSet,
    CustomerFact,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    PageViewed,
    ProductViewed,
    Purpose,
    TraitsSet,
)
from shared.contract.partitioner import partition_of
from shared.shop import DAY, Bounds, Shop

FACTS = 200
PARTITIONS = 2
DAYS = 44
SHOP = Shop(
    zone="Asia/Shanghai", window_days=28, bounds=Bounds(new=3, silent=10, warning_until=20, churned=30, loyal=40)
)
EPOCH_MS = 7 * DAY
T0 = 1_767_542_400_000
"""2026-01-05T00:00+08:00, a Monday."""
HOUR, SECOND = 3_600_000, 1_000
TICKS = (10 * HOUR, 18 * HOUR)
"""Local times of day: every instant that falls due is reached within a day."""
SEED = 7
CONTACTS = ("phone", "email", "external_userid")
CHANNELS = ("sms", "email", "wecom")


class Told(msgspec.Struct, frozen=True):
    """A fact and who it is about."""

    customer: str
    fact: CustomerFact


class Day(msgspec.Struct, frozen=True):
    """What the sources write in one day, in this order: facts, a new policy, ticks."""

    start: int
    facts: tuple[Told, ...]
    policy: PolicyPublished | None
    ticks: tuple[int, ...]


def customers() -> list[str]:
    """Seven in each of the first two partitions."""
    names = (f"c{number:03}" for number in count())
    return sorted(name for part in range(PARTITIONS) for name in islice(_of(part, names), 7))


def _of(partition: int, names: Iterator[str]) -> Iterator[str]:
    return (name for name in names if partition_of(name.encode()) == partition)


def days() -> list[Day]:
    """The whole scenario; AssertionError if it does not hold exactly FACTS facts."""
    script = _Script(random.Random(SEED))
    script.write()
    by_day: dict[int, list[Told]] = {}
    for day, told in script.told:
        by_day.setdefault(day, []).append(told)
    assert len(script.told) == FACTS, len(script.told)
    policies = {0: policy(1), 21: policy(2)}
    return [
        Day(
            start=T0 + day * DAY,
            facts=tuple(sorted(by_day.get(day, []), key=lambda told: told.fact.at)),
            policy=policies.get(day),
            ticks=tuple(T0 + day * DAY + time for time in TICKS),
        )
        for day in range(DAYS)
    ]


def policy(number: int) -> PolicyPublished:
    """The policy a shop starts with, its waits shortened to the scenario's bounds, nobody held out; the second caps less."""
    path = Path(services.trigger_engine.__file__).parent / "policies" / "default.yaml"
    document: dict[str, Any] = yaml.safe_load(path.read_text("utf-8")) | {"version": number}
    document.pop("holdout")
    document["rules"][0]["when"]["days"] = SHOP.bounds.silent - 2
    if number > 1:
        document["caps"] = [{"count": 4, "hours": 168}]
    return PolicyPublished(number=number, document=document)


class _Script:
    def __init__(self, rnd: random.Random) -> None:
        self._rnd = rnd
        self._people = customers()
        self._ids = count(1)
        self.told: list[tuple[int, Told]] = []

    def write(self) -> None:
        """Who they are, what they buy and give back, what they look at and change their minds about."""
        for number, who in enumerate(self._people):
            self._introduce(number, who)
            self._buy(number, who)
        for number in (1, 5, 8, 12):
            self._browse(6 + number, self._people[number])
        self._change_minds()
        self._repeat()
        while len(self.told) < FACTS:
            day, who = self._rnd.randrange(DAYS - 10), self._rnd.choice(self._people)
            self._tell(day, who, PageViewed(id=self._id(), at=self._at(day), name="home"))

    def _introduce(self, number: int, who: str) -> None:
        traits = {"guide": f"guide-{number % 3}", "birthday": f"--{1 + number % 2:02}-{8 + number:02}"}
        self._tell(0, who, TraitsSet(id=self._id(), at=self._at(0), traits=traits, contacts=CONTACTS))
        for place, channel in enumerate(CHANNELS):
            consent: dict[str, Any] = {"channel": channel, "granted": (number + place) % 6 != 5}
            purposes: tuple[Purpose, ...] = ("marketing", "service") if place == number % 3 else ("marketing",)
            for purpose in purposes:
                self._tell(0, who, ConsentSet(id=self._id(), at=self._at(0), purpose=purpose, **consent))

    def _buy(self, number: int, who: str) -> None:
        first, orders = 1 + number % 5, 1 + number % 3
        for nth in range(orders):
            day, name = first + 6 * nth, f"{who}-o{nth}"
            amount = 10_000 + 700 * number + 3_100 * nth
            self._order(day, who, name, amount)
        if number % 4 == 1:
            refund = OrderRefunded(
                id=self._id(), at=self._at(first + 3), refund_id=f"{who}-r", amount=4_000, currency="CNY"
            )
            named = msgspec.structs.replace(refund, order_id=f"{who}-o0") if number % 8 == 1 else refund
            self._tell(first + 3, who, named)
        if number % 5 == 4:
            gone = OrderCancelled(id=self._id(), at=self._at(first + 2), order_id=f"{who}-o0")
            self._tell(first + 2, who, gone)

    def _order(self, day: int, who: str, name: str, amount: int, **more: Any) -> None:
        order = OrderPlaced(id=self._id(), at=self._at(day), order_id=name, amount=amount, currency="CNY", **more)
        self._tell(day, who, order)

    def _browse(self, day: int, who: str) -> None:
        """Eight heartbeats: more than five minutes of one product."""
        start = self._at(day)
        for beat in range(8):
            self._tell(day, who, ProductViewed(id=self._id(), at=start + beat * 50 * SECOND, product="p1"))

    def _change_minds(self) -> None:
        people = self._people
        self._order(14, people[2], f"{people[2]}-o0", 9_000, version=2)  # a newer version of an order
        self._order(16, people[6], f"{people[6]}-late", 5_000)
        self._order(30, people[3], f"{people[3]}-back", 20_000)  # buys again after a recall
        self._order(38, people[10], f"{people[10]}-back", 21_000)
        self._order(9, people[7], f"{people[7]}-old", 8_000, mode="import", baseline=T0 + 9 * DAY, confirmed=True)
        opt_out = ConsentSet(id=self._id(), at=self._at(12), channel="all", purpose="marketing", granted=False)
        self._tell(12, people[4], opt_out)

    def _repeat(self) -> None:
        """Sources send some facts again, days later."""
        for day, told in self._rnd.sample(self.told, 10):
            self.told.append((min(day + 2, DAYS - 1), told))

    def _tell(self, day: int, who: str, fact: CustomerFact) -> None:
        self.told.append((day, Told(who, fact)))

    def _id(self) -> str:
        return f"e{next(self._ids)}"

    def _at(self, day: int) -> int:
        """Some instant of the day's morning, before its first tick."""
        return T0 + day * DAY + self._rnd.randrange(9 * HOUR)
