"""A history of people with several ids from one seed, told through the ids that ingest would choose; knows what stands in the log."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from services.ingest.cutting import NOTHING
from services.ingest.link_memory import LinkMemory, Links
from services.ingest.people import Person
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.facts import (
    ConsentSet,
    CustomerErased,
    Fact,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    TraitsSet,
)
from shared.contract.identity import Unlinked
from shared.contract.partitioner import partition_of
from shared.shop import DAY
from tests.support.linked.batch import Told
from tests.support.linked.chain import HOMES, Chain
from tests.unit.oracle.story import sms

Line = TypeVar("Line", bound=Any)
HOUR = 3_600_000
T0 = 1_735_689_600_000
POLICY: dict[str, Any] = {
    "version": 1,
    "max_trigger_age_hours": 72,
    "rules": [
        sms("thanks", {"on": "ordered"}, value=5, purpose="service", ttl_hours=24 * 365),
        sms("remind", {"on": "since_last_order", "days": 20}, value=30, ttl_hours=24 * 365),
        sms("silent", {"on": "enters", "dimension": "lifecycle", "to": "silent"}, value=40, ttl_hours=24 * 365),
    ],
}


def token(letter: str, number: int) -> str:
    """An id such as ingest derives, in one of the few partitions that take part."""
    for attempt in range(1_000):
        name = letter + hashlib.sha256(f"{letter}{number}/{attempt}".encode()).hexdigest()[:32]
        if partition_of(name.encode()) in HOMES:
            return name
    raise AssertionError("no id falls into these partitions")


IDS = {letter: [token(letter, number) for number in range(6)] for letter in "abcdefg"}


class History(msgspec.Struct):
    """Events in the order of their arrival; `people` are the ids that really belong together."""

    people: list[list[str]]
    told: list[Told]
    unlinked: str = ""


def history(rnd: random.Random, *, conflicts: bool = False) -> History:
    """1 to 3 people with 1 to 4 ids each and at most one member number; with `conflicts` their ids mingle."""
    people = []
    for number in range(rnd.randint(1, 3)):
        letters = (
            ["g", *rnd.sample("abcdef", rnd.randint(1, 3))] if conflicts else rnd.sample("abcdefg", rnd.randint(1, 4))
        )
        people.append(sorted((IDS[letter][number] for letter in letters), reverse=True))
    crowd = [name for ids in people for name in ids]
    told = []
    for number in range(rnd.randint(4, 24)):
        ids = rnd.choice(people)
        pool = crowd if conflicts and rnd.random() < 0.3 else ids
        named = rnd.sample(pool, rnd.randint(1, min(3, len(pool))))
        told.append(Told(_fact(rnd, number, people.index(ids)), tuple(sorted(named, reverse=True))))
    told += rnd.choices(told, k=rnd.randint(0, 6))
    rnd.shuffle(told)
    return History(people, told)


def _fact(rnd: random.Random, number: int, who: int) -> Fact:
    common: dict[str, Any] = {"id": f"e{number}", "at": T0 + number * HOUR + rnd.randrange(20) * DAY}
    order = f"p{who}o{rnd.randrange(4)}"
    chance = rnd.random()
    if chance < 0.5:
        # the version makes the content: what came twice under two ids is the same order
        return OrderPlaced(**common, order_id=order, amount=100 + number, currency="CNY", version=number + 1)
    if chance < 0.65:
        name = rnd.choice(("", order))
        return OrderRefunded(**common, refund_id=f"r{number}", amount=number + 1, currency="CNY", order_id=name)
    if chance < 0.7:
        return OrderCancelled(**common, order_id=order)
    if chance < 0.85:
        return TraitsSet(**common, traits={"birthday": f"--{number % 12 + 1:02}-{who + 1:02}"})
    channel: Any = rnd.choice(("sms", "email", "all"))
    granted, contacts = rnd.random() < 0.7, ("phone",)
    return ConsentSet(**common, channel=channel, purpose="marketing", granted=granted, contacts=contacts)


def erased_now_and_then(told: Sequence[Line], rnd: random.Random) -> list[Line | Told]:
    """The history with up to three erasures, told to any one id, of an instant before, amid or after the facts."""
    whole, events = list[Line | Told](told), [one for one in told if isinstance(one, Told)]
    for number in range(rnd.randint(1, 3)):
        erasure = CustomerErased(id=f"x{number}", at=T0 + rnd.randrange(26) * DAY + HOUR // 2)
        whole.insert(rnd.randint(0, len(whole)), Told(erasure, (rnd.choice(rnd.choice(events).ids),)))
    return whole


def contradictory(told: Sequence[Told], rnd: random.Random) -> list[Told]:
    """The history with few versions, amounts and instants, so one order, refund or consent is told of in several ways."""
    return [msgspec.structs.replace(one, fact=_at_odds(one.fact, rnd)) for one in told]


def _at_odds(fact: Fact, rnd: random.Random) -> Fact:
    at, either, more = T0 + rnd.randrange(4) * DAY, rnd.choice, dict[str, Any]()
    if isinstance(fact, OrderPlaced):
        more = {"amount": either((700, 1000)), "version": either((1, 1, 2, 3)), "shop_id": either("ab")}
    elif isinstance(fact, OrderRefunded):
        more = {"refund_id": either(("r0", "r1")), "amount": either((0, 75, 90)), "version": either((1, 1, 2))}
    elif isinstance(fact, OrderCancelled):
        more = {"version": either((None, 1, 2))}
    elif isinstance(fact, ConsentSet) and fact.granted:
        more = {"granted_at": either((None, T0, at, at + DAY))}
    return msgspec.structs.replace(fact, at=at, **more)


def person_of(ids: Sequence[str]) -> Person:
    """As ingest sees an event that names these ids, the strongest first."""
    rivals = tuple(one for one in ids[1:] if one.startswith("g"))
    weaker = tuple(one for one in ids[1:] if one not in rivals)
    return Person(ids[0], contacts=(), known=NOTHING, aliases=weaker, rivals=rivals)


def live(
    told: Sequence[Told | Unlinked | PolicyPublished],
    rnd: random.Random,
    chain: Chain,
    *,
    links: bool = True,
    memory: LinkMemory | None = None,
    lag: bool = False,
    policy: dict[str, Any] = POLICY,
) -> None:
    """Write everything, ticks in between, and let the workers take it in any order until all is at rest, also before an unlink.

    With a `memory` a link is written once, however often its ids are named.
    """
    chain.broadcast(PolicyPublished(1, policy))
    now = T0 + 22 * DAY
    chain.broadcast(Tick(now, scenario=True))
    slow = frozenset(rnd.sample(chain.workers, rnd.randint(0, 4))) if lag else frozenset()
    for one in told:
        if isinstance(one, PolicyPublished):
            chain.broadcast(one)
            continue
        if isinstance(one, Unlinked):
            chain.run(rnd)
            chain.write(one.alias, one)
            continue
        person = person_of(one.ids)
        written = Links(memory)
        for record in written.of(person) if links else ():
            chain.put(record)
        written.settle()
        chain.write(person.customer, msgspec.structs.replace(one.fact, aliases=person.aliases))
        if rnd.random() < 0.3:
            now += rnd.choice((HOUR, DAY, 20 * DAY))
            chain.broadcast(Tick(now, scenario=True), rnd.sample(HOMES, len(HOMES)))
        if rnd.random() < 0.5:
            chain.run(rnd, slow=slow, turns=rnd.choice((5, 20, 60)))
    chain.run(rnd)
    for late in (DAY, 100 * DAY):
        chain.broadcast(Tick(now + late, scenario=True))
        chain.run(rnd)


def conflicts_told(chain: Chain) -> set[tuple[str, str]]:
    """The pairs of members that the log says would have become one."""
    told = [one for one in chain.told("customer-events-v1") if one["type"] == "identity.conflict"]
    return {tuple(one["members"]) for one in told}
