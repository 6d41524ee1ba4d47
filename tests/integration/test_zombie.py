"""A worker is frozen in the middle of a send, replaced, and thawed after its session: nothing of what it does may stay (rule 9)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.contract import topics
from shared.engine.fold.rules import ALL_ON, Off, Rule
from shared.engine.host.kafka_host import FATAL
from shared.engine.host.rounds import Rounds
from shared.engine.recovery import cluster
from shared.engine.state.head import PARTITION_KEY, counter_of, decode_values, unpack
from shared.kafka import clients
from tests.integration.tally_house import (
    Process,
    caught_up,
    changelog,
    ends,
    expected,
    feed,
    kafka,
    read,
    state,
    worker,
)
from tests.support.stack import fresh_topics
from tests.support.tally import Tally, TallyFold

__all__ = ["kafka"]
pytestmark = pytest.mark.timeout(90)
SESSION = 3.0
COPY = topics.changelog("segmenter")
PLACES = [TopicPartition(COPY.name, number) for number in range(topics.PARTITIONS)]


class CopyFold(TallyFold):
    """The same fold over the copy of the changelog."""

    @property
    def name(self) -> str:
        return "segmenter"


@asynccontextmanager
async def _replaced(kafka: str, *, off: str = "") -> AsyncIterator[tuple[Process, Process]]:
    """A worker frozen during traffic and one that has taken over and is through; the first may now be thawed."""
    await feed(kafka, 100, per_second=1_000)
    with contextlib.ExitStack() as workers:
        first = workers.enter_context(worker(kafka, session=SESSION, off=off))
        await caught_up(kafka)
        feeding = asyncio.create_task(feed(kafka, 1_500, per_second=600, start=100))
        await asyncio.sleep(0.5)
        await first.freeze()
        second = workers.enter_context(worker(kafka, session=SESSION))
        await feeding
        await caught_up(kafka)
        yield first, second


async def test_who_was_away_for_longer_than_his_session_ends_and_writes_nothing(kafka: str) -> None:
    async with _replaced(kafka) as (first, _):
        before = await ends(kafka, changelog().name)
        first.thaw()
        code, said = await first.ended(within=10)
        after = await ends(kafka, changelog().name)

    assert code == FATAL
    assert "did not confirm this worker for a whole session" in said
    assert after == before
    assert await state(kafka) == await expected(kafka)


async def test_what_a_zombie_wrote_is_put_right_before_compaction_can_keep_it(kafka: str) -> None:
    away = _replaced(kafka, off=Rule.HEARTBEAT_WATCH.name)
    async with fresh_topics(kafka, [COPY]), _quick_cleaner(kafka), away as (first, second):
        truth = await expected(kafka)
        owned = await ends(kafka, changelog().name)
        first.thaw()
        async with asyncio.timeout(10):
            while await ends(kafka, changelog().name) == owned:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
        first.kill()
        stale = await _copy(kafka)
        assert stale, "the zombie wrote nothing stale: the test proves nothing"

        # whoever recovers: the highest counter, not the last record
        assert await _recovered(kafka, frozenset({Rule.HIGHEST_COUNTER})) != truth
        assert await _recovered(kafka) == truth
        # the stale records again, compacted before anybody recovered, then once more after the winners stood last
        await _write(kafka, stale)
        assert await _recovered(kafka) == truth
        await _compact(kafka)
        await _write(kafka, stale)
        assert await _recovered(kafka, frozenset({Rule.PUT_AGAIN})) == truth
        await _compact(kafka)
        assert await _recovered(kafka) != truth

        # the live owner, too: he sees the foreign records with his next write
        await _write(kafka, stale, changelog().name)
        await feed(kafka, 400, per_second=2_000, start=10_000)
        await caught_up(kafka)
        assert "somebody else has written" in second.kill()
    assert await state(kafka) == await expected(kafka)


def _counter(record: Any) -> int:
    return decode_values(record.value).next if record.key == PARTITION_KEY else counter_of(record.value)


async def _copy(kafka: str) -> list[Any]:
    """Copy the changelog, and answer the records that came after one of their key with a higher counter."""
    records = await read(kafka, changelog().name)
    highest: dict[tuple[int, bytes], int] = {}
    stale = []
    for record in records:
        place, counter = (record.partition, record.key), _counter(record)
        if counter < highest.get(place, 0):
            stale.append(record)
        highest[place] = max(counter, highest.get(place, 0))
    await _write(kafka, records)
    return stale


async def _write(kafka: str, records: list[Any], topic: str = COPY.name) -> None:
    async with clients.producer(kafka, linger_ms=2) as producer:
        for record in records:
            await producer.send(topic, record.value, record.key, partition=record.partition)


async def _recovered(kafka: str, off: Off = ALL_ON) -> dict[str, Tally]:
    """What a worker would go on with."""

    async def commit(_: Any) -> None: ...

    rounds = Rounds(lambda _: CopyFold(), cluster.KafkaCluster(kafka), seal=lambda *_: "", commit=commit, off=off)
    await rounds.start()
    cores = await rounds.recover(range(topics.PARTITIONS))
    await rounds.stop()
    return {
        key.decode(): msgspec.msgpack.decode(unpack(value)[1], type=Tally)
        for core in cores.values()
        for key, value in zip(core.store.keys, core.store.values, strict=True)
    }


@asynccontextmanager
async def _quick_cleaner(kafka: str) -> AsyncIterator[None]:
    """A broker that looks for what to compact all the time, until the test is over."""
    await _alter(kafka, ConfigResourceType.BROKER, "1", {"log.cleaner.backoff.ms": "100"})
    try:
        yield
    finally:
        await _alter(kafka, ConfigResourceType.BROKER, "1", {})


async def _alter(kafka: str, kind: ConfigResourceType, name: str, settings: dict[str, str]) -> None:
    """Exactly these settings, beside the defaults."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.alter_configs([ConfigResource(kind, name, configs=settings)])
    await admin.close()


async def _compact(kafka: str) -> None:
    """Have the cleaner take every record but the last of its key."""
    eager = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "min.compaction.lag.ms": "0"}
    await _alter(kafka, ConfigResourceType.TOPIC, COPY.name, {**COPY.config, **eager})
    before = len(await _there(kafka))
    async with asyncio.timeout(30), clients.producer(kafka) as producer:
        while True:
            await asyncio.sleep(0.3)
            for place in PLACES:  # a closed segment is needed, and a record behind it
                await producer.send(COPY.name, None, b"\xff roll", partition=place.partition)
            there = await _there(kafka)
            if len(there) == len({(record.partition, record.key) for record in there}):
                break
    assert len(there) < before


async def _there(kafka: str) -> list[Any]:
    """All states and partition values in the copy."""
    reader = clients.reader(kafka)
    await reader.start()
    reader.assign(PLACES)
    await reader.seek_to_beginning(*PLACES)
    last, found = await reader.end_offsets(PLACES), []
    while any([await reader.position(place) < last[place] for place in PLACES]):
        for records in (await reader.getmany(timeout_ms=100)).values():
            found += [record for record in records if record.value is not None]
    await reader.stop()
    return found
