"""The lag reader on a real broker: partitions without a commit, logs whose start has moved, ages of what waits."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from shared.kafka.clients import group_consumer, producer
from shared.kafka.lag import LagReader, PartitionLag, by_topic
from tests.support.stack import Topics

PARTITIONS, EACH = 12, 50
FIRST = 1_700_000_000_000
"""Timestamp of a partition's first record; each later one is a second younger."""


@pytest_asyncio.fixture
async def topic(broker: str, topics: Topics) -> str:
    """Twelve partitions of fifty records."""
    name = await topics.create("lag", partitions=PARTITIONS)
    async with producer(broker) as client:
        for partition in range(PARTITIONS):
            batch = client.create_batch()
            for number in range(EACH):
                batch.append(key=None, value=b"v", timestamp=FIRST + 1_000 * number)
            batch.close()
            await (await client.send_batch(batch, name, partition=partition))
    return name


@pytest.fixture
def group() -> str:
    return f"lag-{secrets.token_hex(4)}"


async def commit(broker: str, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    member = group_consumer(broker, group, instance=None)
    await member.start()
    try:
        member.assign([TopicPartition(topic, partition) for partition in offsets])
        await member.commit({TopicPartition(topic, partition): offset for partition, offset in offsets.items()})
    finally:
        await member.stop()


async def cut(broker: str, topic: str, starts: Mapping[int, int]) -> None:
    """Take the records below these offsets out of the log."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.delete_records(
            {TopicPartition(topic, partition): RecordsToDelete(start) for partition, start in starts.items()}
        )
    finally:
        await admin.close()


async def read(broker: str, group: str, *, ages: bool = False) -> dict[int, PartitionLag]:
    async with LagReader(broker, ages=ages) as lag:
        return {one.partition: one for one in (await lag.read())[group]}


async def test_a_partition_without_a_commit_counts_from_the_logs_start(broker: str, topic: str, group: str) -> None:
    await commit(broker, group, topic, {4: 10})
    async with LagReader(broker) as lag:
        found = await lag.read()

    assert by_topic(found)[group] == {topic: PARTITIONS * EACH - 10}
    assert [(one.partition, one.committed, one.start, one.end, one.lag) for one in found[group]] == [
        (number, 10 if number == 4 else None, 0, EACH, 40 if number == 4 else EACH) for number in range(PARTITIONS)
    ]


async def test_a_group_that_never_committed_is_there_where_its_input_is_named(
    broker: str, topic: str, group: str
) -> None:
    async with LagReader(broker) as lag:
        assert group not in await lag.read()
    async with LagReader(broker, inputs={group: (topic,)}, others=False) as lag:
        found = await lag.read()

    assert by_topic(found) == {group: {topic: PARTITIONS * EACH}}
    assert {one.committed for one in found[group]} == {None}


async def test_records_that_the_log_has_lost_are_no_lag(broker: str, topic: str, group: str) -> None:
    await commit(broker, group, topic, {0: 10, 1: 45, 2: 10})
    await cut(broker, topic, {0: 30, 1: 30, 2: EACH, 3: 40})
    found = await read(broker, group)

    assert {number: (one.committed, one.start, one.lag) for number, one in found.items() if number < 5} == {
        0: (10, 30, 20),
        1: (45, 30, 5),
        2: (10, EACH, 0),
        3: (None, 40, 10),
        4: (None, 0, EACH),
    }


async def test_the_age_is_that_of_the_oldest_record_that_waits(broker: str, topic: str, group: str) -> None:
    await commit(broker, group, topic, {0: 10, 1: EACH, 2: 10})
    await cut(broker, topic, {2: 30})
    other = f"{group}-other"
    await commit(broker, other, topic, {0: 20})
    async with LagReader(broker, ages=True) as lag:
        found = await lag.read()
        again = await lag.read()

    seconds = {one.partition: None if one.since is None else (one.since - FIRST) // 1_000 for one in found[group]}
    assert seconds == {0: 10, 1: None, 2: 30} | dict.fromkeys(range(3, PARTITIONS), 0)
    assert found[other][0].since == FIRST + 20_000
    assert again[group] == found[group]
    assert {one.since for one in (await read(broker, group)).values()} == {None}, "only where it is asked for"


async def test_behind_which_no_record_stands_has_no_age(broker: str, topics: Topics, group: str) -> None:
    topic = await topics.create("lag-marker")
    client = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=secrets.token_hex(4))
    await client.start()
    async with client.transaction():
        await client.send_and_wait(topic, b"v", partition=0)
    await client.stop()
    await commit(broker, group, topic, {0: 1})
    found = await read(broker, group, ages=True)

    assert (found[0].lag, found[0].since) == (1, None), "the transaction's marker is counted by Kafka, and is no record"


async def test_a_topic_that_is_not_there_has_no_partitions(broker: str, group: str) -> None:
    async with asyncio.timeout(20), LagReader(broker, inputs={group: ("nowhere",)}, others=False) as lag:
        assert await lag.read() == {group: []}


async def test_a_topics_size_counts_what_was_ever_written(broker: str, topic: str) -> None:
    await cut(broker, topic, {0: 30})
    async with LagReader(broker) as lag:
        assert await lag.size(topic) == PARTITIONS * EACH


@pytest_asyncio.fixture
async def member(broker: str, topic: str, group: str) -> AsyncIterator[None]:
    """A group that has a member and no commit."""
    consumer = group_consumer(broker, group, instance=None)
    consumer.subscribe([topic])
    await consumer.start()
    await consumer.getmany(timeout_ms=2_000)
    yield
    await consumer.stop()


@pytest.mark.usefixtures("member")
async def test_a_group_without_any_commit_is_told_without_partitions(broker: str, group: str) -> None:
    async with LagReader(broker) as lag:
        found = await lag.read()

    assert found[group] == []
    assert by_topic(found)[group] == {}
