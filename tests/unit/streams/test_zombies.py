"""Rule 9 and parked partitions (rule 7) on a broker in memory: who was away too long, what he wrote, and who puts it right."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from aiokafka.errors import CommitFailedError, KafkaConnectionError

from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.engine.fold.batch import Emit
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule
from shared.engine.host import committer as committing
from shared.engine.host.committer import Committer, Position
from shared.engine.host.lease import Lease
from shared.engine.host.own_ends import OwnEnds
from shared.engine.host.rounds import Rounds
from shared.engine.recovery.cluster import KafkaSink
from shared.engine.recovery.effects import Appended
from shared.engine.state.head import unpack
from shared.log import Log
from tests.support.broker_in_memory import Broker
from tests.support.tally import Tally, TallyFold
from tests.support.world import Stored

CHANGELOG = "profile-changelog"


def _orders(*customers: str, start: int = 0) -> list[Stored]:
    return [
        Stored(n, key.encode(), encode(OrderPlaced(id=f"e{n}", at=n, order_id=f"o{n}", amount=1, currency="CNY")))
        for n, key in enumerate(customers, start)
    ]


async def _worker(broker: Broker, *, off: Off = ALL_ON, before_send: Any = lambda: None, live: bool = True) -> Rounds:
    async def commit(_: Any) -> None: ...

    for record in _orders(*["ann"] * 20):
        if len(broker.log("customer-events-v1")) < 20:
            broker.append("customer-events-v1", 0, record.key, record.value)
    rounds = Rounds(
        lambda _: TallyFold(),
        broker,
        seal=lambda *_: "",
        commit=commit,
        scenario=True,
        off=off,
        before_send=before_send,
        recovers_dropped=live,
    )
    await rounds.start()
    rounds.owned = await rounds.recover([0])
    return rounds


def _totals(rounds: Rounds) -> dict[str, int]:
    store = rounds.owned[0].store
    return {
        key.decode(): msgspec.msgpack.decode(unpack(value)[1], type=Tally).total
        for key, value in zip(store.keys, store.values, strict=True)
    }


# --- the heartbeat watch


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("shared.clock.monotonic", lambda: self.now)


async def test_rule_9_a_worker_that_was_away_for_longer_than_its_session_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)

    async def written_after(seconds: float, off: Off = ALL_ON) -> int:
        broker, lease = Broker(), Lease(10, off=off)
        lease.renew(clock.now)
        rounds = await _worker(broker, off=off, before_send=lease.check)
        clock.now += seconds
        try:
            await rounds.take(0, _orders("ann"))
        except BrokenInvariantError:
            return 0
        finally:
            clock.now = 100.0
        return len(broker.log(CHANGELOG))

    assert await written_after(9.9) == 2
    assert await written_after(10) == 0
    assert await written_after(10, frozenset({Rule.HEARTBEAT_WATCH})) == 2


async def test_the_watch_stands_before_each_batch_not_only_before_the_first() -> None:
    broker, allowed = Broker(), iter([True, False])

    def guard() -> None:
        if not next(allowed):
            raise BrokenInvariantError

    with pytest.raises(BrokenInvariantError):
        await KafkaSink(broker.producer(), before=guard).send("t", 0, [Emit("t", 0, b"k", b"v")] * 5)
    assert len(broker.log("t")) == 2


async def _commits(monkeypatch: pytest.MonkeyPatch, *answers: Exception | None) -> tuple[Lease, list[bool]]:
    """Commits one after the other, six seconds apart; whether the lease is held after each."""
    clock, lease, left, held = Clock(monkeypatch), Lease(10), list(answers), []

    async def commit(_: dict[int, Position]) -> None:
        clock.now += 1
        if error := left.pop(0):
            raise error

    committer = Committer(commit, lease, Log("test"), heartbeat=3)
    for offset in range(len(answers)):
        committer.note({0: (offset, "")})
        await committer.now()
        held.append(lease.held)
        clock.now += 5
    return lease, held


async def test_an_accepted_commit_renews_the_lease_from_the_instant_it_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = KafkaConnectionError()
    assert (await _commits(monkeypatch, None, failed, failed))[1] == [True, True, False]
    assert (await _commits(monkeypatch, None, failed, None))[1] == [True, True, True]


async def test_a_refused_commit_ends_the_lease_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await _commits(monkeypatch, None, CommitFailedError()))[1] == [True, False]


async def test_an_idle_worker_repeats_its_positions_at_every_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "COMMIT_SECONDS", 0.01)
    sent: list[dict[int, Position]] = []

    async def commit(positions: dict[int, Position]) -> None:
        sent.append(positions)

    committer = Committer(commit, Lease(10), Log("test"), heartbeat=0.03)
    committer.note({3: (7, "mark")})
    beat = asyncio.create_task(committer.beat())
    await asyncio.sleep(0.2)
    beat.cancel()

    assert sent[0] == sent[-1] == {3: (7, "mark")}
    assert 2 <= len(sent) <= 8


async def test_commits_of_a_busy_worker_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sent = Clock(monkeypatch), []

    async def commit(positions: dict[int, Position]) -> None:
        sent.append(positions)

    committer = Committer(commit, Lease(10), Log("test"), heartbeat=3)
    for offset in range(10):
        committer.note({offset % 2: (offset, "")})
        await committer.when_due()
        clock.now += 0.0625

    assert sent == [{0: (0, "")}, {0: (4, ""), 1: (3, "")}, {0: (8, ""), 1: (7, "")}]


# --- foreign records


def test_a_jump_of_our_own_acks_shows_a_foreign_record() -> None:
    ends = OwnEnds()
    ends.stands(0, 10)

    assert ends.wrote(0, [Appended(10, 3), Appended(13, 2)])
    assert ends.wrote(0, [Appended(-1, 2)]), "the broker has the batch already: proves nothing"
    assert ends.wrote(0, [Appended(17, 1)])
    assert not ends.wrote(0, [Appended(19, 1)])
    assert ends.wrote(0, [Appended(20, 1)])
    assert not ends.wrote(0, [Appended(21, 1), Appended(23, 1)])
    assert not (ends.wrote(0, [Appended(-1, 1)]) and ends.wrote(0, [Appended(26, 1)])), "found one batch later"


async def _after_a_zombie(off: Off, *, live: bool = True) -> tuple[Broker, Rounds]:
    """A frozen worker's batch comes into the changelog between two batches of the one who replaced it."""
    broker = Broker()
    frozen = await _worker(broker)
    await frozen.take(0, _orders("ann"))
    owner = await _worker(broker, off=off, live=live)
    await owner.take(0, _orders("ann", "ann", start=1))
    await frozen.take(0, _orders("ann", start=1))
    await owner.take(0, _orders("bob", start=3))
    return broker, owner


async def test_rule_9_the_owner_notices_foreign_records_and_puts_the_winners_again() -> None:
    broker, owner = await _after_a_zombie(ALL_ON)
    assert owner.owned == {}
    owner.owned = await owner.recover([0])
    broker.compact(CHANGELOG)
    assert _totals(await _worker(broker)) == _totals(owner) == {"ann": 3, "bob": 1}

    broker, owner = await _after_a_zombie(frozenset({Rule.FOREIGN_RECORDS}))
    assert owner.owned.keys() == {0}
    broker.compact(CHANGELOG)
    assert _totals(await _worker(broker)) == {"ann": 2, "bob": 1}


async def test_a_host_that_cannot_recover_in_flight_ends_instead() -> None:
    with pytest.raises(BrokenInvariantError, match="somebody else has written"):
        await _after_a_zombie(ALL_ON, live=False)


# --- recovery


async def _recovered(off: Off, *, compacted: bool = False) -> tuple[dict[str, int], int]:
    """Totals and position after: a stale batch stands last, recovery, perhaps compaction, another stale batch, recovery."""
    broker = Broker()
    frozen = await _worker(broker)
    await frozen.take(0, _orders("ann"))
    owner = await _worker(broker)
    await owner.take(0, _orders("ann", "ann", "bob", start=1))
    await frozen.take(0, _orders("ann", start=1))
    await _worker(broker, off=off)
    if compacted:
        broker.compact(CHANGELOG)
    again = await _worker(broker, off=off)
    return _totals(again), again.owned[0].next


async def test_rule_9_recovery_takes_the_highest_counter_of_each_key() -> None:
    assert await _recovered(ALL_ON) == ({"ann": 3, "bob": 1}, 4)
    assert await _recovered(frozenset({Rule.HIGHEST_COUNTER})) == ({"ann": 2, "bob": 1}, 2)


async def test_rule_9_what_recovery_put_again_survives_compaction() -> None:
    assert await _recovered(ALL_ON, compacted=True) == ({"ann": 3, "bob": 1}, 4)
    assert await _recovered(frozenset({Rule.PUT_AGAIN}), compacted=True) == ({"ann": 2, "bob": 1}, 2)


async def test_a_second_zombie_after_the_compaction_changes_nothing() -> None:
    broker = Broker()
    first = await _worker(broker)
    await first.take(0, _orders("ann"))
    second, owner = await _worker(broker), await _worker(broker)
    await owner.take(0, _orders("ann", "ann", "ann", start=1))
    await first.take(0, _orders("ann", start=1))
    await _worker(broker)
    broker.compact(CHANGELOG)
    await second.take(0, _orders("ann", "ann", start=1))

    assert _totals(await _worker(broker)) == {"ann": 4}


async def test_where_every_winner_stands_last_nothing_is_put_again() -> None:
    broker = Broker()
    await (await _worker(broker)).take(0, _orders("ann", "bob"))
    before = len(broker.log(CHANGELOG))
    await _worker(broker)

    assert len(broker.log(CHANGELOG)) == before == 3


# --- parked partitions


async def _came_back(off: Off, *, foreign: bool) -> tuple[int, int]:
    """Reads of the changelog and the total, after a partition went and came back."""
    broker = Broker()
    rounds = await _worker(broker, off=off)
    await rounds.take(0, _orders("ann"))
    rounds.park()
    if foreign:
        await (await _worker(broker)).take(0, _orders("ann", start=1))
    broker.reads = 0
    rounds.owned = await rounds.recover([0])
    return broker.reads, _totals(rounds)["ann"]


async def test_rule_7_a_parked_partition_is_taken_back_without_a_replay_unless_somebody_wrote() -> None:
    assert await _came_back(ALL_ON, foreign=False) == (0, 1)
    assert await _came_back(ALL_ON, foreign=True) == (1, 2)
    assert await _came_back(frozenset({Rule.PARKED}), foreign=True) == (0, 1)
