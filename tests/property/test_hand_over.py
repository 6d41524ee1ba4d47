"""Rule 5 and hand-over: whoever is linked with whom, in whatever order, with crashes and replays, one person holds everything once."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from shared.contract.broadcasts import ResyncRequested, Tick
from shared.contract.facts import OrderPlaced
from shared.contract.identity import Linked
from shared.contract.partitioner import partition_of
from shared.engine.fold.rules import ALL_ON, Off, Rule
from tests.support.tally import HeardFold, ListenFold, TallyFold
from tests.support.world import CrashError, Worker, World

IDS = ("a1", "b2", "c3", "d4", "e5")
HOMES = sorted({partition_of(name.encode()) for name in IDS})
FOLDS: tuple[Callable[[], TallyFold | HeardFold], ...] = (TallyFold, HeardFold, ListenFold)
HISTORIES = 120


def test_linked_ids_become_one_person_with_everything_once() -> None:
    assert [seed for seed in range(HISTORIES) if _failures(seed, ALL_ON)] == []


@pytest.mark.parametrize("rule", [Rule.MARKS, Rule.FRAGMENT_PLACE], ids=lambda rule: rule.name)
def test_without_the_rule_some_history_shows(rule: Rule) -> None:
    assert any(_failures(seed, frozenset({rule})) for seed in range(HISTORIES))


def _failures(seed: int, off: Off) -> list[str]:
    rnd = random.Random(seed)
    world = World()
    links, bought = _script(world, rnd)
    workers = {
        (hop, home): Worker(world, fold, home, size=rnd.choice((1, 2, 5)), off=off)
        for hop, fold in enumerate(FOLDS)
        for home in HOMES
    }
    world.crash_at = frozenset(rnd.sample(range(1, 200), 12))
    _run(list(workers.values()), rnd)
    for worker in workers.values():
        worker.start()
    return _differences(workers, links, bought)


def _script(world: World, rnd: random.Random) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Orders, ticks, resyncs and links between random ids; what each id bought."""
    links, bought = [], dict.fromkeys(IDS, 0)
    for number in range(rnd.randrange(15, 40)):
        chance = rnd.random()
        if chance < 0.55:
            name = rnd.choice(IDS)
            bought[name] += number + 1
            world.put(
                "customer-events-v1",
                name,
                OrderPlaced(id=f"e{number}", at=number * 900, order_id=f"o{number}", amount=number + 1, currency="CNY"),
            )
        elif chance < 0.8:
            one, other = rnd.sample(IDS, 2)
            links.append((one, other))
            world.put("customer-events-v1", one, Linked(other))
        elif chance < 0.83:
            for home in HOMES:
                world.put("customer-events-v1", None, ResyncRequested(number), partition=home)
        else:
            for home in HOMES:
                world.put("customer-events-v1", None, Tick(number * 900, scenario=True), partition=home)
    return links, bought


def _run(workers: list[Worker], rnd: random.Random) -> None:
    """Workers in random order until a whole round finds nothing to do."""
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


def _differences(
    workers: dict[tuple[int, int], Worker], links: list[tuple[str, str]], bought: dict[str, int]
) -> list[str]:
    roots = {name: name for name in IDS}
    for one, other in links:
        weaker, stronger = sorted((_find(roots, one), _find(roots, other)))
        roots[weaker] = stronger
    wrong = []
    for name in IDS:
        group = [other for other in IDS if _find(roots, other) == name]
        entries = [workers[hop, partition_of(name.encode())].core.memory.entry(name.encode()) for hop in range(3)]
        if not group:
            wrong += [f"{name} hop {hop}: no redirect" for hop, entry in enumerate(entries) if not entry.links.redirect]
        elif total := sum(bought[other] for other in group):
            found = [entry.state.total for entry in entries]
            wrong += [f"{name}: totals {found}, bought {total}"] if found != [total] * 3 else []
            wrong += [f"{name}: own counts differ"] if entries[1].state.own != entries[2].state.own else []
            wrong += [f"{name}: half a person for ever"] if not entries[2].state.seq else []
    return wrong


def _find(roots: dict[str, str], name: str) -> str:
    return name if roots[name] == name else _find(roots, roots[name])
