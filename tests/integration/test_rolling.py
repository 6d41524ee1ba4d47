"""T8: what a real broker does to a value that was deleted, on a partition where nothing else happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.create_topics import create
from services.ingest.rolling import roll
from shared import clock
from shared.contract.topics import DAY, LATE, ROLL_KEY, SEGMENT_CHANGES
from shared.kafka.clients import producer
from tests.oracle.reader import read_topic
from tests.support.stack import Topic, Topics

pytestmark = pytest.mark.asyncio(loop_scope="session")
SECONDS = {
    "cleanup.policy": "compact",
    "segment.ms": "500",
    "max.compaction.lag.ms": "500",
    "delete.retention.ms": "500",
}
"""A day is half a second."""


async def _settings(bootstrap: str, kind: ConfigResourceType, name: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        [answer] = await admin.describe_configs([ConfigResource(kind, name)])
        return {each[0]: each[1] for _, _, _, _, entries in answer.resources for each in entries}
    finally:
        await admin.close()


async def test_t8_without_a_roll_record_a_deleted_value_stays_and_with_it_it_goes(broker: str, topics: Topics) -> None:
    idle, rolled = [Topic(await topics.create(stem, config=SECONDS), 1, SECONDS) for stem in ("idle", "rolled")]
    async with producer(broker) as client:
        for topic in (idle, rolled):
            await client.send_and_wait(topic.name, b"sealed", b"c1/phone")
            await client.send_and_wait(topic.name, None, b"c1/phone")
        await asyncio.sleep(0.6)
        await roll(client, rolled)
        await _until(lambda: _gone(broker, rolled.name))
        assert [record.value for record in await read_topic(broker, idle.name)] == [b"sealed", None]

        await roll(client, idle)
        await _until(lambda: _gone(broker, idle.name))
        await asyncio.sleep(0.6)
        await roll(client, idle)
        await _until(lambda: _only_rolls(broker, idle.name))


async def test_t8_a_topic_of_before_gets_the_settings_and_the_broker_looks_often_enough(
    broker: str, topics: Topics
) -> None:
    """T8: the days of the privacy page are those of the topic's settings and the broker's own rounds together."""
    name = await topics.create("changes", config={"cleanup.policy": "delete", "retention.ms": str(90 * DAY)})
    await create(broker, [Topic(name, 1, SEGMENT_CHANGES.config)])
    kept = await _settings(broker, ConfigResourceType.TOPIC, name)
    rounds = await _settings(broker, ConfigResourceType.BROKER, await _a_broker(broker))

    within = int(rounds["log.retention.check.interval.ms"]) + int(rounds["log.segment.delete.delay.ms"])
    assert within <= LATE
    assert int(kept["segment.jitter.ms"]) == 0
    assert int(kept["retention.ms"]) + int(kept["segment.ms"]) + within <= 90 * DAY


async def _a_broker(bootstrap: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return str((await admin.describe_cluster())["brokers"][0]["node_id"])
    finally:
        await admin.close()


async def _gone(bootstrap: str, topic: str) -> bool:
    return all(record.value is None for record in await read_topic(bootstrap, topic))


async def _only_rolls(bootstrap: str, topic: str) -> bool:
    return {record.key for record in await read_topic(bootstrap, topic)} == {ROLL_KEY}


async def _until(done: Callable[[], Awaitable[bool]]) -> None:
    end = clock.monotonic() + 60
    while not await done():
        assert clock.monotonic() < end
        await asyncio.sleep(0.1)
