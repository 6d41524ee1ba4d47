"""The oracle's reader on a real broker: whole topics, to the end, nothing beside them."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.oracle.reader import by_partition, read_topic

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]


async def test_a_topic_is_read_whole_and_in_order(broker: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic("oracle-whole", 3, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=broker)
    await producer.start()
    for number in range(2000):
        await producer.send("oracle-whole", str(number).encode(), key=b"k", partition=number % 2)
    await producer.stop()

    parts = by_partition(await read_topic(broker, "oracle-whole"))

    assert sorted(parts) == [0, 1]
    assert [int(record.value or b"") for record in parts[1]] == list(range(1, 2000, 2))
    assert [record.offset for record in parts[0]] == list(range(1000))
    assert {(record.key, record.timestamp > 0) for record in parts[0]} == {(b"k", True)}


async def test_an_empty_and_an_unknown_topic_have_no_records(broker: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([NewTopic("oracle-nothing", 2, 1)])
    await admin.close()
    assert await read_topic(broker, "oracle-nothing") == []
    assert await read_topic(broker, "oracle-unknown") == []
