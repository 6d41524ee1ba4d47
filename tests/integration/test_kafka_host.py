"""The Kafka host on a real broker: kills, rebalances, refusals and truncation, each with the rule that answers it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.create_topics import create
from deploy.stack import ports
from shared.contract import topics
from shared.contract.codec import encode
from shared.engine.fold.rules import BrokenInvariantError, Rule
from shared.engine.host.kafka_host import FATAL
from shared.engine.recovery import recovery
from shared.engine.step.partition import Partition
from shared.kafka import clients
from tests.integration.tally_house import (
    caught_up,
    changelog,
    ends,
    expected,
    feed,
    group,
    kafka,
    lag,
    order,
    put,
    read,
    readiness,
    series,
    series_once,
    state,
    ticks,
    worker,
)
from tests.support.tally import TallyFold

__all__ = ["kafka"]
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=("kafka", "faust"))
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs once per host; what one of them alone can promise stays without it."""
    monkeypatch.setenv("HUITOU_HOST", request.param)


on_either_host = pytest.mark.usefixtures("either")


@on_either_host
async def test_killed_again_and_again_the_state_is_that_of_the_log(kafka: str) -> None:
    feeding = asyncio.create_task(feed(kafka, 6_000, per_second=900))
    rnd = random.Random(3)
    behind = []
    for _ in range(6):
        with worker(kafka, instance="tally-1"):
            await asyncio.sleep(rnd.uniform(0.8, 1.6))
            behind.append(await lag(kafka))
    await feeding
    [port] = ports.free(1)
    with worker(kafka, instance="tally-1", metrics=port):
        await ticks(kafka, range(10_000, 10_001))  # Faust recovers with the first record
        statuses = await readiness(port)
        ready = await series(port)
        await caught_up(kafka)
        told = await series_once(port, lambda found: found["huitou_input_records_total"][0] >= topics.PARTITIONS)

    assert any(behind), "no kill met a record in flight: the test proves nothing"
    assert set(statuses[:-1]) == {503}, "it was asked before its partitions were recovered, and said so"
    assert ready["huitou_owned_partitions"] == [topics.PARTITIONS]
    assert told["huitou_input_records_total"][0] >= topics.PARTITIONS
    assert told["huitou_lag_records"] == told["huitou_lag_seconds"] == [0] * topics.PARTITIONS
    assert await state(kafka) == await expected(kafka)


@on_either_host
async def test_two_workers_share_the_partitions_and_nothing_is_counted_twice(kafka: str) -> None:
    feeding = asyncio.create_task(feed(kafka, 4_000, per_second=700))
    with worker(kafka), contextlib.ExitStack() as later:
        await asyncio.sleep(1.5)
        second = later.enter_context(worker(kafka))
        await asyncio.sleep(2.5)
        second.terminate()
        await second.ended(within=15)
        await feeding
        await caught_up(kafka)

    assert await state(kafka) == await expected(kafka)


async def test_from_one_worker_to_four_and_back_while_it_flows(kafka: str) -> None:
    feeding = asyncio.create_task(feed(kafka, 5_000, per_second=600))
    with worker(kafka) as first, contextlib.ExitStack() as stack:
        await asyncio.sleep(2)
        others = []
        for _ in range(3):
            others.append(stack.enter_context(worker(kafka)))
            await asyncio.sleep(0.7)
        for other in others:
            await other.hears()
        await asyncio.sleep(3)
        for other in others:
            other.terminate()
        codes = [(await other.ended(within=15))[0] for other in others]
        await feeding
        await caught_up(kafka)
        said = first.kill()

    assert codes == [0, 0, 0]
    assert "taken back" in said, "what came back to the first was read anew"
    assert await state(kafka) == await expected(kafka)


async def test_more_workers_than_partitions(kafka: str) -> None:
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker(kafka)) for _ in range(2)]
        crowd = await asyncio.gather(*(_member(kafka) for _ in range(topics.PARTITIONS)))
        await feed(kafka, 100, per_second=500)
        await asyncio.gather(*(member.stop() for member in crowd))
        await caught_up(kafka)
        for each in workers:
            each.terminate()
        assert [(await each.ended(within=15))[0] for each in workers] == [0, 0]

    assert await state(kafka) == await expected(kafka)


async def _member(kafka: str) -> AIOKafkaConsumer:
    """One who takes partitions of the group and does nothing."""
    member = clients.group_consumer(kafka, group(), instance=None)
    member.subscribe([topics.CUSTOMER_EVENTS.name])
    await member.start()
    return member


@on_either_host
async def test_a_refused_produce_ends_the_process_and_commits_nothing(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([topics.PROFILE_UPDATES.name])
    await asyncio.sleep(1)
    tiny = NewTopic(topics.PROFILE_UPDATES.name, topics.PARTITIONS, 1, topic_configs={"max.message.bytes": "10"})
    await admin.create_topics([tiny])
    await admin.close()
    await feed(kafka, 20, per_second=1000)

    with worker(kafka) as process:
        code, said = await process.ended(within=30)

    assert code == FATAL
    assert "MessageSizeTooLarge" in said
    committed = await clients.commits(kafka, group(), topics.CUSTOMER_EVENTS.name)
    assert {commit.offset for commit in committed.values()} <= {0}


@on_either_host
async def test_a_log_that_lost_records_stops_the_worker_with_a_sentence(kafka: str) -> None:
    await feed(kafka, 50, per_second=1000)
    with worker(kafka, instance="tally-1"):
        await caught_up(kafka)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([topics.CUSTOMER_EVENTS.name])
    await admin.close()
    await asyncio.sleep(1)
    await create(kafka, [topics.CUSTOMER_EVENTS])
    await feed(kafka, 10, per_second=1000)

    with worker(kafka, instance="tally-1") as process:
        code, said = await process.ended(within=30)

    assert code == FATAL
    assert "the log was made anew" in said


async def test_a_changed_last_record_is_noticed_by_its_checksum(kafka: str) -> None:
    await feed(kafka, 50, per_second=1000)
    with worker(kafka):
        await caught_up(kafka)
    committed = await clients.commits(kafka, group(), topics.CUSTOMER_EVENTS.name)
    forged = {number: c._replace(metadata="0:00000000") for number, c in committed.items()}

    with pytest.raises(BrokenInvariantError, match="lost or changed records"):
        await _positions(kafka, forged, frozenset())
    assert await _positions(kafka, committed, frozenset())
    assert await _positions(kafka, forged, frozenset({Rule.CHECKSUM}))


async def test_ticks_alone_are_passed_on_at_once_and_persisted_every_five_seconds(kafka: str) -> None:
    await feed(kafka, 50, per_second=1000)
    with worker(kafka):
        await caught_up(kafka)
        before = await ends(kafka, changelog().name)
        passed = await ends(kafka, topics.PROFILE_UPDATES.name)
        await ticks(kafka, range(100, 110))
        await asyncio.sleep(1)
        soon = await ends(kafka, changelog().name)
        went = await ends(kafka, topics.PROFILE_UPDATES.name)
        await asyncio.sleep(6)
        later = await ends(kafka, changelog().name)

    assert went - passed == 10 * topics.PARTITIONS
    assert soon - before == 0
    assert later - before == topics.PARTITIONS


@on_either_host
async def test_poison_goes_to_the_dead_letters_and_the_stream_goes_on(kafka: str) -> None:
    await put(kafka, [("c1", b"\xff{"), ("c1", encode(order(1, "poison"))), ("c1", encode(order(2)))])
    with worker(kafka):
        await caught_up(kafka)

    letters = [msgspec.json.decode(r.value) for r in await read(kafka, topics.DEAD_LETTERS.name)]
    assert [(letter["offset"], letter["customer"], letter["reason"].split(":")[0]) for letter in letters] == [
        (0, "c1", "DecodeError"),
        (1, "c1", "ZeroDivisionError"),
    ]
    assert (await state(kafka))["c1"].total == 2


async def _positions(kafka: str, committed: Any, off: frozenset[Rule]) -> dict[int, int]:
    cores = {n: Partition(TallyFold(), partition=n, seal=lambda *_: "") for n in range(topics.PARTITIONS)}
    reader: AIOKafkaConsumer = clients.reader(kafka)
    await reader.start()
    try:
        return await recovery.positions(reader, topics.CUSTOMER_EVENTS.name, cores, committed, off=off)
    finally:
        await reader.stop()
