"""What the bench sends: members, orders and product views, the same in every run; knows no stack and measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from deploy.demo.people import event
from deploy.demo.scenario import Event
from shared.ids import hash64

MEMBERS = 5_000
PRODUCTS = 120
REACHABLE_EACH = 10
"""Of the regular members each tenth has an e-mail address: messages are a part of the chain, not its main work."""


def member(number: int) -> str:
    """The member number of the shop."""
    return f"B{number:07d}"


def introduction(number: int, at: int, *, reachable: bool) -> Iterator[Event]:
    """Traits and a consent; with an address if he can be reached."""
    who = {"member": member(number)}
    known = who | {"email": f"b{number}@customers.example"} if reachable else who
    yield event("traits.set", f"traits-{number}", at, known, traits={"level": "gold"})
    yield event("consent.set", f"consent-{number}", at, who, channel="email", purpose="marketing", granted=True)


def order(number: int, order_id: str, at: int) -> Event:
    """An order of two lines."""
    first, second = 1 + hash64(order_id) % 30_000, 1 + hash64(f"{order_id}/2") % 30_000
    lines = [
        {"product": f"sku-{amount % PRODUCTS:03d}", "quantity": 1, "amount": _money(amount)}
        for amount in (first, second)
    ]
    body = {"order_id": order_id, "amount": _money(first + second), "currency": "CNY", "lines": lines}
    return event("order.placed", f"{order_id}-o", at, {"member": member(number)}, **body)


def settled_members(at: int) -> Iterator[Event]:
    """Everybody introduced, then everybody's first order: what follows is the ordinary day."""
    for number in range(MEMBERS):
        yield from introduction(number, at, reachable=number % REACHABLE_EACH == 0)
    for number in range(MEMBERS):
        yield order(number, first_order(number), at)


def first_order(number: int) -> str:
    """Id of the member's first order."""
    return f"first-{number}"


def day(name: str, count: int, at: int, *, per_second: int, members: int = MEMBERS) -> Iterator[Event]:
    """`count` events of the first `members` from `at` on: three views to one order, in no pattern."""
    for number in range(count):
        chance = hash64(f"{name}/{number}")
        who, when = chance % members, at + number * 1000 // per_second
        if (chance >> 40) % 4 == 0:
            yield order(who, f"{name}-{number}", when)
        else:
            product = f"sku-{(chance >> 20) % PRODUCTS:03d}"
            yield event("product.viewed", f"{name}-{number}-v", when, {"member": member(who)}, product=product)


def bodies(events: Iterable[Event], size: int) -> list[bytes]:
    """Request bodies of the typed API with `size` events each, the last with the rest."""
    every = list(events)
    return [msgspec.json.encode({"events": every[start : start + size]}) for start in range(0, len(every), size)]


class Load(msgspec.Struct, frozen=True):
    """A schedule of requests: body k is due k × `every` seconds after the start."""

    bodies: Sequence[bytes]
    every: float
    due: dict[str, float]
    """Order id whose command is awaited → seconds after the start at which its request is due."""


def open_load(name: str, *, seconds: float, rate: int, size: int, new_each: int, first_new: int, at: int) -> Load:
    """`rate` events a second in requests of `size`; each `new_each`-th event is the first order of a new member.

    New members are numbered from `first_new` on and are introduced by nobody here.
    """
    count, every = int(seconds * rate), size / rate
    events = list(day(name, count, at, per_second=rate))
    due = {}
    for place, newcomer in zip(range(new_each - 1, count, new_each), range(first_new, first_new + count), strict=False):
        events[place] = order(newcomer, first_order(newcomer), at + place * 1000 // rate)
        due[first_order(newcomer)] = place // size * every
    return Load(bodies(events, size), every, due)


def _money(units: int) -> str:
    return f"{units // 100}.{units % 100:02d}"
