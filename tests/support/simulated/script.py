"""Random traffic, written before the history begins, and what must come of it by plain arithmetic."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.contract.identity import Linked
from shared.contract.origin import NEVER
from shared.contract.partitioner import partition_of
from shared.engine.fold.batch import Emit
from tests.support.tally import QUIET_MS, Tally

FRONT = "customer-events-v1"
NAMES = tuple(name for name in (f"c{number}" for number in range(40)) if partition_of(name.encode()) in {3, 7, 11})[:7]
HOMES = sorted({partition_of(name.encode()) for name in NAMES})
EPOCH_MS = 4_000
POISON = "poison"
"""The order on which the tally chokes."""


class Line(msgspec.Struct, frozen=True):
    """One record and when it is written, in seconds."""

    at: float
    record: Emit


class Script(msgspec.Struct, frozen=True):
    lines: list[Line]
    links: list[tuple[str, str]] = []


def write(rnd: random.Random, *, linked: bool) -> Script:
    """Orders, ticks, a policy now and then; if `linked`, links between ids instead of policies."""
    lines: list[Line] = []
    links = []
    at, now = 0.0, 0
    for number in range(rnd.randrange(20, 50)):
        at += rnd.choice((0, 0, 0, 0.003, 0.05, 1.0))
        now += rnd.choice((0, 300, 2_500))
        chance = rnd.random()
        if chance < 0.6:
            name = POISON if chance < 0.02 else f"o{number}"
            order = OrderPlaced(id=f"e{number}", at=now, order_id=name, amount=number + 1, currency="CNY")
            lines.append(_line(at, rnd.choice(NAMES), order))
        elif chance < 0.85:
            lines += [_line(at, None, Tick(now, scenario=True), home) for home in HOMES]
        elif linked:
            one, other = rnd.sample(NAMES, 2)
            links.append((one, other))
            lines.append(_line(at, one, Linked(other)))
        elif chance > 0.95:
            lines += [_line(at, None, PolicyPublished(number, {"factor": rnd.choice((1, 3))}), home) for home in HOMES]
    lines += [_line(at, None, Tick(now + late, scenario=True), home) for late in (30_000, 60_000) for home in HOMES]
    return Script(lines, links)


def _line(at: float, key: str | None, record: Any, home: int | None = None) -> Line:
    raw = None if key is None else key.encode()
    return Line(at, Emit(FRONT, partition_of(raw or b"") if home is None else home, raw, encode(record)))


def tallies(script: Script) -> tuple[dict[str, Tally], dict[str, list[int]]]:
    """Without links: what each customer's tally must be in the end, and every total on the way there."""
    homes = {home: _Home() for home in HOMES}
    for line in script.lines:
        record: Any = msgspec.json.decode(line.record.value, type=OrderPlaced | Tick | PolicyPublished)
        homes[line.record.partition].take((line.record.key or b"").decode(), record)
    found = {name: tally for home in homes.values() for name, tally in home.found.items()}
    return found, {name: totals for home in homes.values() for name, totals in home.said.items()}


class _Home:
    """The customers of one partition."""

    def __init__(self) -> None:
        self.found: dict[str, Tally] = {}
        self.said: dict[str, list[int]] = {}
        self._clock, self._factor = 0, 1

    def take(self, key: str, record: OrderPlaced | Tick | PolicyPublished) -> None:
        if isinstance(record, OrderPlaced):
            self._order(key, record)
        elif isinstance(record, PolicyPublished):
            self._factor = record.document["factor"]
            for name, tally in self.found.items():
                if tally.total > 0:
                    self._say(name, msgspec.structs.replace(tally, total=tally.total * 10))
        elif record.as_of > self._clock:
            self._clock = record.as_of
            for name, tally in self.found.items():
                if tally.due <= record.as_of:
                    self._say(name, msgspec.structs.replace(tally, aged=tally.aged + 1, due=NEVER))

    def _order(self, key: str, order: OrderPlaced) -> None:
        if order.order_id == POISON:
            return
        old = self.found.get(key, Tally())
        last = max(old.last, order.at)
        orders = old.orders | {order.order_id: order.amount}
        self._say(key, Tally(orders, old.total + order.amount * self._factor, last, old.aged, last + QUIET_MS))

    def _say(self, name: str, tally: Tally) -> None:
        self.found[name] = tally
        self.said.setdefault(name, []).append(tally.total)


def persons(script: Script) -> Mapping[str, list[str]]:
    """Id that holds everything in the end → all ids of that person."""
    root = {name: name for name in NAMES}
    for one, other in script.links:
        weaker, stronger = sorted((root[one], root[other]))
        root = {name: stronger if held == weaker else held for name, held in root.items()}
    return {held: [name for name in NAMES if root[name] == held] for held in sorted(set(root.values()))}
