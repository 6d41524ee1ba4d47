"""Erasure as a law: whatever the order of facts, links and erasures, what happened up to an erasure never was; a replay changes nothing."""

from __future__ import annotations

import os
import random
from functools import partial
from typing import Any

import msgspec
import pytest

from services.profile import erasure, orders
from services.profile.logic import take
from services.profile.state import State
from services.profile.taking import Where
from services.rehearsal.pipeline import folds
from shared.contract import topics
from shared.contract.broadcasts import PolicyPublished
from shared.contract.commands import Allow, OutreachCommand, SendMessage, Suppress
from shared.contract.contact_points import CONTACT_FIELDS
from shared.contract.facts import ConsentSet, CustomerErased, CustomerFact, OrderPlaced, TraitsSet
from shared.contract.identity import Linked
from shared.contract.partitioner import partition_of
from shared.shop import DAY, Shop
from tests.support.world import CrashError, Worker, World

IDS = ("a1", "b2", "c3", "d4")
HOMES = sorted({partition_of(name.encode()) for name in IDS})
HISTORIES = int(os.environ.get("HUITOU_HISTORIES", "30"))
STEP = 10 * DAY
"""Facts lie this far apart and erasures in the middle between two: the tolerance for clocks that run ahead decides nothing."""
T0 = 1_735_689_600_000
_commands = msgspec.json.Decoder(OutreachCommand).decode

Told = tuple[str, CustomerFact | Linked]


def test_whatever_the_order_an_erased_past_never_was() -> None:
    assert [line for seed in range(HISTORIES) for line in _differences(seed)] == []


def test_an_erasure_that_forgets_too_little_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "services.profile.handover.remaining", lambda state, until, **_: msgspec.structs.replace(state, erased=until)
    )

    assert [line for seed in range(HISTORIES) for line in _differences(seed)]


def test_a_profile_that_takes_an_erased_past_once_more_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(state: State, fact: Any, where: Where) -> Any:
        return take(msgspec.structs.replace(state, erased=0), fact, where)

    monkeypatch.setattr("services.profile.fold.take", forgetful)

    assert [line for seed in range(HISTORIES) for line in _differences(seed)]


def test_addresses_go_under_every_id_but_those_that_came_since() -> None:
    before = State(aliases=("a1", "b2"), contacts={})
    gone = {output.key for output in erasure.tombstones(before, State(erased=5), "b2", "a1")}

    assert gone == {f"{name}/{field}" for name in ("a1", "b2") for field in CONTACT_FIELDS}
    assert all(output.value is None for output in erasure.tombstones(before, State(erased=5), "b2", "a1"))


def _differences(seed: int) -> list[str]:
    rnd = random.Random(seed)
    told = _history(rnd)
    world, workers = World(), {}
    for home in HOMES:
        world.put(topics.CUSTOMER_EVENTS.name, None, PolicyPublished(1, _policy()), partition=home)
    for key, record in told + rnd.sample(told, len(told) // 3):
        world.put(topics.CUSTOMER_EVENTS.name, key, record)
    for hop in range(3):
        for home in HOMES:
            workers[hop, home] = Worker(world, partial(_fold, hop, home), home, size=rnd.choice((1, 3, 9)))
    world.crash_at = frozenset(rnd.sample(range(1, 300), 8))
    _run(list(workers.values()), rnd)
    wrong = [f"seed {seed}: {line}" for line in _wrong(world, workers, told)]
    said = _said(world)
    for key, record in told:
        if isinstance(record, CustomerErased | ConsentSet | TraitsSet | OrderPlaced) and record.at <= _erased(told).get(
            key, 0
        ):
            world.put(topics.CUSTOMER_EVENTS.name, key, record)
    _run(list(workers.values()), rnd)
    return wrong + ([f"seed {seed}: an erased past said something again"] if _said(world) != said else [])


def _history(rnd: random.Random) -> list[Told]:
    """Facts, links and erasures of four ids in any order; instants are their own, the order of arrival is another."""
    told: list[Told] = []
    for number in range(rnd.randrange(8, 24)):
        key, at, name = rnd.choice(IDS), T0 + number * STEP, f"e{number}"
        chance = rnd.random()
        if chance < 0.5:
            told.append(
                (
                    key,
                    OrderPlaced(
                        id=name, at=at, order_id=f"o{number}", amount=number + 1, currency="CNY", contacts=("phone",)
                    ),
                )
            )
        elif chance < 0.75:
            granted = rnd.random() < 0.6
            told.append((key, ConsentSet(id=name, at=at, channel="sms", purpose="marketing", granted=granted)))
        else:
            told.append((key, TraitsSet(id=name, at=at, traits={"guide": name})))
    for number in range(rnd.randrange(1, 4)):
        at = T0 + rnd.randrange(24) * STEP + STEP // 2
        told.append((rnd.choice(IDS), CustomerErased(id=f"x{number}", at=at)))
    for _ in range(rnd.randrange(3)):
        weak, strong = sorted(rnd.sample(IDS, 2))
        told.append((weak, Linked(strong)))
    rnd.shuffle(told)
    return told


def _policy() -> dict[str, Any]:
    touch = {"message": {"channel": "sms", "template": "t"}}
    rule = {"id": "r", "when": {"on": "ordered"}, "value": 1, "purpose": "marketing", "touches": [touch]}
    return {"version": 1, "behaviour": 3, "rules": [rule]}


def _fold(hop: int, home: int) -> Any:
    return folds(Shop(), epoch_ms=DAY)[hop](home)


def _run(workers: list[Worker], rnd: random.Random) -> None:
    idle = 0
    while idle < 2:
        busy = False
        for worker in rnd.sample(workers, len(workers)):
            try:
                busy = worker.turn() or busy
            except CrashError:
                worker.start()
                busy = True
        idle = 0 if busy else idle + 1


def _roots(told: list[Told]) -> dict[str, str]:
    roots = {name: name for name in IDS}

    def find(name: str) -> str:
        return name if roots[name] == name else find(roots[name])

    for key, record in told:
        if isinstance(record, Linked):
            weak, strong = sorted((find(key), find(record.other)))
            roots[weak] = strong
    return {name: find(name) for name in IDS}


def _erased(told: list[Told]) -> dict[str, int]:
    """By id, the instant up to which its person was erased."""
    roots, latest = _roots(told), dict[str, int]()
    for key, record in told:
        if isinstance(record, CustomerErased):
            latest[roots[key]] = max(latest.get(roots[key], 0), record.at)
    return {name: latest.get(roots[name], 0) for name in IDS}


def _wrong(world: World, workers: dict[tuple[int, int], Worker], told: list[Told]) -> list[str]:
    roots, erased, wrong = _roots(told), _erased(told), []
    for root in sorted(set(roots.values())):
        entries = [workers[hop, partition_of(root.encode())].core.memory.entry(root.encode()) for hop in range(3)]
        state, decided = entries[0].state, entries[2].state
        facts = [fact for key, fact in told if roots[key] == root and not isinstance(fact, Linked)]
        left = [fact for fact in facts if fact.at > erased[root]]
        bought = sorted(fact.order_id for fact in left if isinstance(fact, OrderPlaced))
        guides = max(
            (fact.at, fact.traits["guide"])
            for fact in [*left, TraitsSet(id="", at=0, traits={"guide": ""})]
            if isinstance(fact, TraitsSet)
        )
        consents = [fact for fact in left if isinstance(fact, ConsentSet)]
        granted = {"sms/marketing": max(consents, key=lambda fact: fact.at).granted} if consents else {}
        found = sorted(entry.id for entry in orders.entries(state.orders))
        trait = state.traits["guide"].value if "guide" in state.traits else ""
        wrong += [f"{root}: orders {found}, not {bought}"] if found != bought else []
        wrong += [f"{root}: guide {trait}, not {guides[1]}"] if trait != guides[1] else []
        given = {name: consent.granted for name, consent in state.consents.items()}
        wrong += [f"{root}: consents {given}, not {granted}"] if given != granted else []
        if not erased[root]:
            continue
        wrong += [] if erased[root] <= state.erased <= erased[root] + DAY else [f"{root}: erased {state.erased}"]
        wrong += (
            []
            if decided.facts.orders == len(bought) == entries[1].state.profile.orders
            else [f"{root}: later hops differ"]
        )
        wrong += _silence(world, [name for name in IDS if roots[name] == root], silent=not any(granted.values()))
    return wrong


def _silence(world: World, ids: list[str], *, silent: bool) -> list[str]:
    """Of the person's own id the notifier knows what holds; nothing is sent to a silent one after he was erased."""
    root, told = ids[-1], _about(world)
    everything = [one for one in told.get(root, []) if isinstance(one, Suppress | Allow) and one.channel == "all"]
    latest = max(everything, key=lambda one: (one.decided_at, one.number), default=None)
    return [] if isinstance(latest, Suppress) == silent and latest else [f"{root}: last told {latest}, silent {silent}"]


def _about(world: World) -> dict[str, list[Any]]:
    told: dict[str, list[Any]] = {}
    for (topic, _), log in world.logs.items():
        if topic == topics.OUTREACH_COMMANDS.name:
            for stored in log:
                command = _commands(stored.value)
                told.setdefault(command.customer, []).append(command)
    return told


def _said(world: World) -> tuple[int, int]:
    """Bundles and messages so far."""
    commands = [one for told in _about(world).values() for one in told if isinstance(one, SendMessage)]
    bundles = [len(log) for (topic, _), log in world.logs.items() if topic == topics.PROFILE_UPDATES.name]
    return sum(bundles), len(commands)
