"""The embedded stack as others use it: a broker and a database that answer, and refuse what they must."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.create_topics import TopicError, create
from shared.contract.topics import TOPICS
from tests.support.stack import Topic, Topics


async def test_what_is_written_to_the_broker_can_be_read_again(broker: str, topics: Topics) -> None:
    topic = await topics.create("hello")
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=True, compression_type="lz4")
    await producer.start()
    sent = await producer.send_and_wait(topic, b"value", key=b"key")
    await producer.stop()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest")
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()

    assert (record.key, record.value, record.offset) == (b"key", b"value", sent.offset)


async def test_a_topic_that_nobody_declared_is_not_created(broker: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.describe_topics(["never-declared"])
    found = await admin.list_topics()
    await admin.close()

    assert "never-declared" not in found


async def test_all_topics_of_the_product_are_created_and_a_second_run_changes_nothing(broker: str) -> None:
    await create(broker)
    await create(broker)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    found = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics()}
    await admin.close()

    assert {each.name: each.partitions for each in TOPICS}.items() <= found.items()


async def test_a_topic_with_another_number_of_partitions_is_refused_by_name(broker: str, topics: Topics) -> None:
    name = await topics.create("narrow", partitions=2)

    with pytest.raises(TopicError, match=f"{name}: has 2 partitions, 3 are declared"):
        await create(broker, [Topic(name, 3, {})])


async def test_a_setting_that_kafka_does_not_know_is_refused_by_name(broker: str) -> None:
    with pytest.raises(TopicError, match="odd-topic"):
        await create(broker, [Topic("odd-topic", 1, {"no.such.setting": "1"})])


async def test_the_database_answers_through_sqlalchemy_and_is_empty(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        tables = await connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
    await engine.dispose()

    assert tables == 0


async def test_the_database_keeps_text_in_any_language_and_instants_in_utc(database_url: str) -> None:
    connection = await asyncpg.connect(
        make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    )
    row = await connection.fetchrow(
        "SELECT '回头客 🛍'::text, current_setting('TimeZone'), current_setting('synchronous_commit')"
    )
    await connection.close()

    assert tuple(row) == ("回头客 🛍", "UTC", "on")
