"""Rules 2, 4 and the epoch rule: crash at every single effect, start again, and nothing differs; without the rule something does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.contract.broadcasts import PolicyPublished, ResyncRequested, Tick
from shared.contract.facts import OrderPlaced
from shared.contract.partitioner import partition_of
from shared.engine.fold.rules import ALL_ON, Off, Rule
from tests.support.tally import Heard, HeardFold, Tally, TallyFold
from tests.support.world import Worker, World, run

KEYS = ("ann", "bob", "cat")
HOME = partition_of(b"ann")
EPOCH = 20_000


def test_whatever_the_crash_point_the_outcome_is_that_of_a_quiet_day() -> None:
    assert _effects() > 100
    assert _crashes_that_show(ALL_ON) == []


@pytest.mark.parametrize(
    "off",
    [
        {Rule.EMIT_FIRST},
        {Rule.PARTITION_VALUES_LAST},
        {Rule.COMMIT_LAST, Rule.CHANGELOG_POSITION},
        {Rule.FENCE},
        {Rule.EPOCH_CLOSE},
        {Rule.RECOVER_WHOLE},
    ],
    ids=lambda off: "+".join(sorted(rule.name for rule in off)),
)
def test_without_the_rule_some_crash_point_shows(off: set[Rule]) -> None:
    assert _crashes_that_show(frozenset(off), most=1)


@pytest.mark.parametrize("rule", [Rule.COMMIT_LAST, Rule.CHANGELOG_POSITION], ids=lambda rule: rule.name)
def test_either_of_the_two_layers_of_the_position_suffices(rule: Rule) -> None:
    assert _crashes_that_show(frozenset({rule})) == []


def _crashes_that_show(off: Off, *, most: int = 1000) -> list[int]:
    """Crash points (numbers of effects) after which something differs from a quiet day; at most `most` of them."""
    quiet, found = _history(frozenset(), ALL_ON), []
    for point in range(1, _effects() + 1):
        if _history(frozenset({point}), off) != quiet:
            found.append(point)
        if len(found) == most:
            break
    return found


def _effects() -> int:
    world = _script()
    run(_workers(world, ALL_ON))
    return world.effects


def _history(crash_at: frozenset[int], off: Off) -> object:
    world = _script()
    world.crash_at = crash_at
    workers = _workers(world, off)
    run(workers)
    for worker in workers:
        worker.start()
    tallies = {key: msgspec.structs.astuple(_state(workers[0], key, Tally)) for key in KEYS}
    heard = {key: msgspec.structs.astuple(_state(workers[1], key, Heard)) for key in KEYS}
    said = {(v["customer"], v["seq"], v["after"]) for v in world.values("segment-changes-v1")}
    sums = {(v["seq"], v["after"]) for v in world.values("segments-v1")}
    return tallies, heard, said, sums


def _script() -> World:
    """Orders, ticks that fire timers, one policy, one resync: all in one partition, so that bundles of several customers share batches."""
    world, now = World(), 0
    for number in range(14):
        key = KEYS[number % 3]
        order = OrderPlaced(id=f"e{number}", at=now, order_id=f"o{number}", amount=number + 1, currency="CNY")
        world.put("customer-events-v1", key, order, partition=HOME)
        if number % 2:
            now += 3_500
            world.put("customer-events-v1", None, Tick(now, scenario=True), partition=HOME)
        if number == 8:
            world.put("customer-events-v1", None, PolicyPublished(1, {"factor": 3}), partition=HOME)
        if number == 7:
            world.put("customer-events-v1", None, ResyncRequested(1), partition=HOME)
    world.put("customer-events-v1", None, Tick(now + 60_000, scenario=True), partition=HOME)
    return world


def _workers(world: World, off: Off) -> list[Worker]:
    return [Worker(world, lambda: TallyFold(EPOCH), HOME, off=off), Worker(world, HeardFold, HOME, size=3, off=off)]


def _state(worker: Worker, key: str, kind: type[Any]) -> Any:
    state = worker.core.memory.entry(key.encode()).state
    assert isinstance(state, kind)
    return state
