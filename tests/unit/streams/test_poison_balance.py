"""A bad version that is started again and again: what it buries is bounded, and the mended one goes on by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.console.letters import dead
from services.console.remedies import PutBack, remedy
from shared.contract.facts import OrderPlaced
from shared.contract.topics import CUSTOMER_EVENTS, DEAD_LETTERS
from shared.engine.fold import poison_limit
from shared.engine.fold.poison_limit import CREDIT, MOST_NET
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule
from shared.engine.host.rounds import Rounds
from shared.engine.recovery.effects import Targets
from tests.support.tally import BrokenFold, Tally, TallyFold
from tests.support.world import Worker, World

LIVES = 20
PER_LIFE = 150


async def _commit(_: object) -> None:
    """The changelog knows the place."""


def _life(world: World, make_fold: Any, off: Off = ALL_ON) -> bool:
    """A start and all that waits, record by record as it trickles in; False if the worker stopped itself."""
    rounds = Rounds(make_fold, None, seal=lambda *_: "c2VhbGVk", commit=_commit, scenario=True, off=off)  # type: ignore[arg-type]
    rounds.targets = Targets(world)
    core = Worker(world, lambda: make_fold(0), 0).core
    rounds.owned = {0: core}
    try:
        while core.next < len(waiting := world.log(CUSTOMER_EVENTS.name, 0)):
            asyncio.run(rounds.take(0, waiting[core.next : core.next + 1]))
    except BrokenInvariantError:
        return False
    return True


def _feed(world: World, start: int, count: int) -> None:
    for number in range(start, start + count):
        order = OrderPlaced(id=f"e{number}", at=number, order_id=f"o{number}", amount=1, currency="CNY")
        world.put(CUSTOMER_EVENTS.name, "ann", order, partition=0)


def _restarted(off: Off) -> tuple[World, int]:
    """A bad version over many lives, and how often it stopped by itself."""
    world, halts = World(), 0
    for life in range(LIVES):
        _feed(world, life * PER_LIFE, PER_LIFE)
        halts += not _life(world, lambda _: BrokenFold(), off)
    return world, halts


def test_rule_11_a_restart_does_not_forget_the_poison_before_it() -> None:
    world, halts = _restarted(ALL_ON)
    leaking, never = _restarted(frozenset({Rule.POISON_BALANCE}))

    assert len(world.log(DEAD_LETTERS.name, 0)) == MOST_NET - 1
    assert halts == LIVES - MOST_NET // PER_LIFE
    assert len(leaking.log(DEAD_LETTERS.name, 0)) == LIVES * PER_LIFE
    assert never == 0


def test_the_mended_version_goes_on_by_itself_and_every_letter_is_replayed_once() -> None:
    world, _ = _restarted(ALL_ON)
    records = world.log(CUSTOMER_EVENTS.name, 0)
    raw = {record.offset: record for record in records}
    assert _life(world, lambda _: TallyFold())
    for buried in list(world.log(DEAD_LETTERS.name, 0)):
        letter = dead(Told(buried.key, buried.value))
        found = remedy(letter, raw[letter.offset].value)
        assert isinstance(found, PutBack)
        world.put(CUSTOMER_EVENTS.name, "ann", found.record.value, partition=0)
    assert _life(world, lambda _: TallyFold())

    ann: Tally = Worker(world, TallyFold, 0).core.memory.entry(b"ann").state
    assert ann.orders == {f"o{number}": 1 for number in range(LIVES * PER_LIFE)}
    assert ann.total == LIVES * PER_LIFE


class Told:
    """A dead letter as the console reads it."""

    partition, offset, timestamp = 0, 0, 0

    def __init__(self, key: bytes | None, value: bytes) -> None:
        self.key, self.value = key, value


def test_successes_pay_failures_back_and_give_little_credit() -> None:
    balance = 0
    for _ in range(10_000):
        balance = poison_limit.succeeded(balance)
    assert balance == -CREDIT
    for _ in range(3):
        balance = poison_limit.failed(balance)
    assert balance == 3 - CREDIT


def test_a_batch_without_poison_never_stops_a_worker() -> None:
    poison_limit.check_balance(10 * MOST_NET, 0)
    with pytest.raises(BrokenInvariantError, match="a start alone changes nothing"):
        poison_limit.check_balance(MOST_NET, 1)


def test_a_frozen_customer_does_not_speak_against_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.engine.step.steps.STATE_LIMIT", 2_000)
    world = World()
    _feed(world, 0, 2 * MOST_NET)
    assert _life(world, lambda _: TallyFold(), frozenset({Rule.POISON_LIMIT}))

    core = Worker(world, TallyFold, 0).core
    assert core.memory.entry(b"ann").frozen
    assert core.balance <= 0
    assert len(world.log(DEAD_LETTERS.name, 0)) > MOST_NET
