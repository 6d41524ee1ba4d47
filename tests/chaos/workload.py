"""Workload W (docs/chaos.md): a seeded mix of traffic as real shops send it, with all its disorder; knows no stack."""

from __future__ import annotations

import bisect
import itertools
import random
from collections import Counter
from decimal import Decimal

import msgspec

from deploy.demo.people import DAY, event
from deploy.demo.scenario import Event
from deploy.demo.shop import PRODUCTS

HOUR = 3_600_000
MINUTE = 60_000
ZIPF = 1.1
KINDS = (("browse", 0.70), ("order", 0.20), ("refund", 0.05), ("message", 0.05))
DUPLICATES = 0.02
"""Of all events; half of them follow at once, half after 1 to 48 hours."""
OUT_OF_ORDER = 0.05
"""Told up to ten minutes late."""
LATE = 0.005
"""Told one to seven days late."""
MALFORMED = 0.001


class Workload(msgspec.Struct, frozen=True):
    """What is sent: (instant of sending, event), ordered; and what is in it."""

    events: list[tuple[int, Event]]
    malformed: frozenset[str]
    """Ids of events that ingest must refuse."""
    counts: dict[str, int]


def workload(
    customers: list[dict[str, str]], count: int, *, start: int, end: int, seed: int, merges: bool = False
) -> Workload:
    """`count` events of `customers` (the typed API's `customer`, the most active first) between two instants.

    `merges`: told under devices, an openid, an e-mail address or the member number, at times under several at once.
    """
    made = _Maker(customers, random.Random(f"{seed}/workload"), merges=merges)
    sent: list[tuple[int, int, Event]] = []
    for number in range(count):
        at = start + (end - start) * number // max(count, 1)
        sent += [(when, number, one) for when, one in made.events(number, at) if when <= end]
    sent.sort(key=lambda one: (one[0], one[1]))
    return Workload(
        [(when, one) for when, _, one in sent], frozenset(made.malformed), dict(sorted(made.counts.items()))
    )


class _Maker:
    """Draws events one by one and remembers the orders that may be refunded."""

    def __init__(self, customers: list[dict[str, str]], rnd: random.Random, *, merges: bool) -> None:
        self._customers, self._rnd, self._merges = customers, rnd, merges
        self._weights = list(itertools.accumulate((rank + 1) ** -ZIPF for rank in range(len(customers))))
        self._orders: dict[int, list[str]] = {}
        self.malformed: set[str] = set()
        self.counts: Counter[str] = Counter()

    def events(self, number: int, at: int) -> list[tuple[int, Event]]:
        """One event with the instant at which it is sent, and its duplicate if it has one."""
        rnd = self._rnd
        one = self._event(f"w{number}", at, self._pick())
        when = at
        chance = rnd.random()
        if chance < MALFORMED:
            one = self._spoil(one)
        elif chance < MALFORMED + LATE:
            self.counts["late"] += 1
            when = at + rnd.randrange(DAY, 7 * DAY)
        elif chance < MALFORMED + LATE + OUT_OF_ORDER:
            self.counts["out of order"] += 1
            when = at + rnd.randrange(10 * MINUTE)
        told = [(when, one)]
        if one["id"] not in self.malformed and rnd.random() < DUPLICATES:
            self.counts["duplicates"] += 1
            told.append((when if rnd.random() < 0.5 else when + rnd.randrange(HOUR, 48 * HOUR), one))
        return told

    def _pick(self) -> int:
        return bisect.bisect(self._weights, self._rnd.random() * self._weights[-1])

    def _event(self, name: str, at: int, who: int) -> Event:
        rnd, who = self._rnd, min(who, len(self._customers) - 1)
        customer = self._named(who) if self._merges else self._customers[who]
        [kind] = rnd.choices([kind for kind, _ in KINDS], [share for _, share in KINDS])
        orders = self._orders.setdefault(who, [])
        if kind == "refund" and not orders:
            kind = "order"
        self.counts[kind] += 1
        product, price, _ = rnd.choice(PRODUCTS)
        if kind == "order":
            orders.append(name)
            amount = str(price * rnd.choice((1, 1, 2)))
            return event("order.placed", name, at, customer, order_id=name, amount=amount, currency="CNY")
        if kind == "refund":
            body = {
                "refund_id": name,
                "order_id": rnd.choice(orders),
                "amount": str(Decimal(rnd.randrange(1, 1900)) / 100),
            }
            return event("order.refunded", name, at, customer, **body, currency="CNY")
        if kind == "message":
            status = rnd.choice(("opened", "clicked", "replied"))
            body = {"command_id": f"other-{name}", "rule": "newsletter", "channel": "email", "status": status}
            return event("message.reported", name, at, customer, **body)
        return event("product.viewed", name, at, customer, product=product)

    def _named(self, who: int) -> dict[str, str]:
        """Whom the event names: one of his ids, or several, by which they become one person."""
        ids = {
            "anonymous": f"device-{who}-{self._rnd.randrange(3)}",
            "openid": f"wx-{who}",
            "email": f"w{who}@shoppers.example",
            **self._customers[who],
        }
        names = self._rnd.sample(list(ids), self._rnd.choices((1, 2, 3), (6, 3, 1))[0])
        self.counts["names several ids"] += len(names) > 1
        return {name: ids[name] for name in names}

    def _spoil(self, one: Event) -> Event:
        self.counts["malformed"] += 1
        self.malformed.add(one["id"])
        spoiled: list[Event] = [
            one | {"at": "yesterday"},
            one | {"customer": {}},
            one | {"type": "nobody.knows"},
            one | {"unknown": 1},
            {key: value for key, value in one.items() if key != "customer"},
            one | {"type": "order.placed", "order_id": "x", "amount": "-1"},
        ]
        return self._rnd.choice(spoiled)
