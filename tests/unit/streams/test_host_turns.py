"""The host's own turns: heartbeats between long rounds, revokes that wait, quiet rounds that are not lost, places to go on from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from shared.contract.broadcasts import Tick
from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.engine.fold.batch import Batch, Emit
from shared.engine.fold.rules import BrokenInvariantError, Rule
from shared.engine.host.kafka_host import HostSettings, KafkaHost
from shared.engine.recovery import recovery
from shared.engine.recovery.effects import Targets
from shared.engine.step.partition import Partition
from shared.log import Log
from tests.support.tally import Tally, TallyFold
from tests.support.world import Stored

TOPIC = "customer-events-v1"


def _order(number: int) -> bytes:
    return encode(OrderPlaced(id=f"e{number}", at=number, order_id=f"o{number}", amount=1, currency="CNY"))


def _core(number: int = 0) -> Partition[Tally]:
    return Partition(TallyFold(), partition=number, seal=lambda *_: "", scenario=True)


class Heart:
    """Beats whenever the event loop lets it."""

    def __init__(self) -> None:
        self.beats = 0

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._beat())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            task.cancel()

    async def _beat(self) -> None:
        while True:
            self.beats += 1
            await asyncio.sleep(0)


class Consumer:
    """One prepared fetch per turn; `refuses` every commit like a group that has moved on."""

    def __init__(self, *fetches: dict[int, list[Stored]]) -> None:
        self.fetches = list(fetches)
        self.committed: list[tuple[int, int]] = []

    async def getmany(self, **_: int) -> dict[TopicPartition, list[Stored]]:
        fetched = self.fetches.pop(0) if self.fetches else {}
        return {TopicPartition(TOPIC, number): records for number, records in fetched.items()}

    async def commit(self, offsets: dict[TopicPartition, tuple[int, str]]) -> None:
        self.committed += [(place.partition, offset) for place, (offset, _) in offsets.items()]


class Sink:
    def __init__(self) -> None:
        self.written: list[tuple[str, int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, topic: str, _: int, records: Sequence[Emit]) -> None:
        await self.open.wait()
        self.written.append((topic, len(records)))


def _host(consumer: Consumer, cores: Iterable[Partition[Tally]]) -> tuple[KafkaHost, Sink]:
    host = KafkaHost(lambda _: TallyFold(), HostSettings(bootstrap="", scenario=True), seal=lambda *_: "")
    sink = Sink()
    host._consumer, host.rounds.targets = consumer, Targets(sink)
    host.rounds.owned = {core.partition: core for core in cores}
    host._assigned = set(host.rounds.owned)
    return host, sink


async def test_heartbeats_go_between_the_rounds_of_a_fetch() -> None:
    heart, seen = Heart(), []

    class Slow(Partition[Tally]):
        def drain(self) -> Batch:
            seen.append(heart.beats)
            return super().drain()

    cores = [Slow(TallyFold(), partition=n, seal=lambda *_: "", scenario=True) for n in range(4)]
    host, _ = _host(Consumer({n: [Stored(0, b"ann", _order(0))] for n in range(4)}), cores)
    async with heart.beating():
        await host._turn()

    assert len(set(seen)) == 4


async def test_heartbeats_go_between_the_partitions_of_a_recovery() -> None:
    heart, seen = Heart(), []

    class Slow(Partition[Tally]):
        def restored(self) -> None:
            seen.append(heart.beats)
            super().restored()

    cores: dict[int, Partition[Any]] = {n: Slow(TallyFold(), partition=n, seal=lambda *_: "") for n in range(4)}
    async with heart.beating():
        await recovery.replay(Reader(end=0), "profile-changelog", cores, Log("test"))

    assert len(set(seen)) == 4


async def test_a_revoke_waits_for_the_batch_in_flight_and_writes_the_quiet_rounds() -> None:
    ticks = {0: [Stored(0, None, encode(Tick(5, scenario=True)))], 1: [Stored(0, b"ann", _order(0))]}
    host, sink = _host(Consumer(ticks), [_core(0), _core(1)])
    consumer = host._consumer
    sink.open.clear()
    turn = asyncio.create_task(host._turn())
    await asyncio.sleep(0.01)
    revoke = asyncio.create_task(host.on_partitions_revoked([TopicPartition(TOPIC, n) for n in (0, 1)]))
    await asyncio.sleep(0.01)
    assert not revoke.done()
    assert consumer.committed == []

    sink.open.set()
    await asyncio.gather(turn, revoke)

    assert consumer.committed == [(1, 1), (0, 1)], "the batch in flight, then the round of ticks"
    assert sink.written.count(("profile-changelog", 1)) == 1
    assert host.rounds.owned == {}


async def test_what_arrives_for_a_partition_that_is_no_longer_owned_is_left_alone() -> None:
    host, sink = _host(Consumer({0: [Stored(0, b"ann", _order(0))]}), [])
    await host._turn()

    assert (sink.written, host._consumer.committed) == ([], [])


def test_a_restart_after_quiet_rounds_sends_on_what_it_sent_before() -> None:
    ticks = [Stored(offset, None, encode(Tick(as_of, scenario=True))) for offset, as_of in enumerate((5, 6, 6, 7))]
    first, again = _core(), _core()
    for record in ticks:
        first.apply(record)
    quiet = first.drain()
    for record in ticks:
        again.apply(record)

    assert quiet.quiet
    assert [emit.value for emit in again.drain().emits] == [emit.value for emit in quiet.emits]


# --- where a partition goes on


class Reader:
    """A log from `start` to `end`."""

    def __init__(self, *, start: int = 0, end: int = 100) -> None:
        self.start, self.end = start, end

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.start)

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.end)

    async def seek_to_beginning(self, *_: TopicPartition) -> None: ...

    def assign(self, _: Sequence[TopicPartition]) -> None: ...


async def _goes_on(
    *, changelog: int, commit: int | None, start: int = 0, end: int = 100, off: frozenset[Rule] = frozenset()
) -> int:
    core = _core()
    core.next = changelog
    committed = {} if commit is None else {0: OffsetAndMetadata(commit, "")}
    reader = Reader(start=start, end=end)
    return (await recovery.positions(reader, TOPIC, {0: core}, committed, off=off | {Rule.CHECKSUM}))[0]


@pytest.mark.parametrize(
    ("changelog", "commit", "start", "place"),
    [(40, 40, 0, 40), (40, 30, 0, 40), (40, 60, 0, 40), (0, 60, 0, 0), (0, None, 20, 20)],
    ids=["both", "crash before the commit", "changelog lost its end", "changelog lost", "first start on an old log"],
)
async def test_a_partition_goes_on_where_its_changelog_stands(
    changelog: int, commit: int | None, start: int, place: int
) -> None:
    assert await _goes_on(changelog=changelog, commit=commit, start=start) == place


async def test_by_the_commit_alone_what_the_changelog_lost_would_never_be_folded_again() -> None:
    assert await _goes_on(changelog=40, commit=60, off=frozenset({Rule.CHANGELOG_POSITION})) == 60


@pytest.mark.parametrize(
    ("changelog", "commit", "start", "end"),
    [(40, 40, 50, 100), (0, 60, 20, 100), (40, 40, 0, 39), (30, 60, 0, 50)],
    ids=["expired", "changelog and records lost", "log anew", "log cut below the commit"],
)
async def test_where_records_are_missing_the_worker_stops(changelog: int, commit: int, start: int, end: int) -> None:
    with pytest.raises(BrokenInvariantError, match="records are missing"):
        await _goes_on(changelog=changelog, commit=commit, start=start, end=end)
