"""The projector on a real broker and database: each record counts once, whoever comes, goes, fails or was cut off."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.kafka.clients import group_consumer, producer
from shared.kafka.projector import Place, Projection, Projector, move_positions, read_positions
from shared.log import Log
from tests.support.stack import Topics

pytestmark = pytest.mark.asyncio(loop_scope="session")
PARTITIONS, EACH = 4, 300

metadata = sa.MetaData()
position = sa.Table(
    "position",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.BigInteger, primary_key=True),
    sa.Column("next_offset", sa.BigInteger),
    sa.Column("note", sa.Text),
)
seen = sa.Table("seen", metadata, sa.Column("value", sa.Text), sa.Column("offset", sa.BigInteger))


class Seen(Projection):
    """Notes every record; records below the stored positions are passed over, as two members may overlap."""

    def __init__(self, engine: AsyncEngine, topic: str) -> None:
        self._engine, self.topics = engine, (topic,)

    async def positions(self) -> Mapping[Place, int]:
        async with self._engine.connect() as connection:
            return {place: row.next_offset for place, row in (await read_positions(connection, position)).items()}

    async def take(self, records: Sequence[Any]) -> Mapping[Place, int]:
        async with self._engine.begin() as connection:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7)))
            stored = await read_positions(connection, position)
            known = {place: row.next_offset for place, row in stored.items()}
            fresh = [one for one in records if one.offset >= known.get((one.topic, one.partition), 0)]
            moved = {(one.topic, one.partition): one.offset + 1 for one in fresh}
            if fresh:
                noted = [{"value": one.value.decode(), "offset": one.offset} for one in fresh]
                await connection.execute(sa.insert(seen), noted)
            rows = [{"topic": t, "partition": p, "next_offset": o, "note": ""} for (t, p), o in moved.items()]
            await move_positions(connection, position, rows)
        return moved


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    opened = create_async_engine(database_url, pool_size=4, max_overflow=0)
    async with opened.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
    yield opened
    await opened.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def topic(broker: str) -> str:
    return await Topics(broker).create("projected", partitions=PARTITIONS)


@pytest.fixture
def group() -> str:
    return f"projector-{secrets.token_hex(4)}"


async def write(broker: str, topic: str, numbers: range) -> None:
    async with producer(broker) as client:
        for partition in range(PARTITIONS):
            batch = client.create_batch()
            for number in numbers:
                batch.append(key=None, value=f"{partition}/{number}".encode(), timestamp=None)
            batch.close()
            await (await client.send_batch(batch, topic, partition=partition))


def expected(*ranges: range) -> list[str]:
    return sorted(f"{partition}/{number}" for partition in range(PARTITIONS) for each in ranges for number in each)


async def values(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return sorted(await connection.scalars(sa.select(seen.c.value)))


@contextlib.asynccontextmanager
async def member(broker: str, group: str, tables: Projection) -> AsyncIterator[None]:
    """A projector that runs beside the block."""
    stopped, consumer = asyncio.Event(), group_consumer(broker, group, instance=None)
    projector = Projector(consumer, tables, log=Log("projector"), most=40, retry_s=0.1)
    running = asyncio.create_task(projector.run(stopped.is_set))
    try:
        yield
    finally:
        stopped.set()
        await running


async def until(engine: AsyncEngine, count: int) -> None:
    async with asyncio.timeout(30):
        while len(await values(engine)) < count:
            await asyncio.sleep(0.02)


async def test_records_count_once_over_members_that_come_and_go(
    broker: str, engine: AsyncEngine, topic: str, group: str
) -> None:
    tables = Seen(engine, topic)
    await write(broker, topic, range(EACH))
    async with member(broker, group, tables):
        await until(engine, EACH)
        async with member(broker, group, tables):
            await write(broker, topic, range(EACH, 2 * EACH))
            await until(engine, PARTITIONS * EACH + 1)
        await write(broker, topic, range(2 * EACH, 3 * EACH))
        await until(engine, 3 * PARTITIONS * EACH)

    assert await values(engine) == expected(range(3 * EACH))


async def test_the_database_decides_and_not_the_brokers_commit(
    broker: str, engine: AsyncEngine, topic: str, group: str
) -> None:
    await write(broker, topic, range(EACH))
    consumer = group_consumer(broker, group, instance=None)
    await consumer.start()
    consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    await consumer.commit({TopicPartition(topic, 0): EACH, TopicPartition(topic, 1): 10})
    await consumer.stop()
    async with engine.begin() as connection:
        await move_positions(
            connection, position, [{"topic": topic, "partition": 1, "next_offset": EACH - 1, "note": ""}]
        )
    async with member(broker, group, Seen(engine, topic)):
        await until(engine, 3 * EACH + 1)

    every = expected(range(EACH))
    assert await values(engine) == [each for each in every if not each.startswith("1/") or each == f"1/{EACH - 1}"]


async def test_a_connection_that_breaks_costs_no_record(
    broker: str, engine: AsyncEngine, topic: str, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    await write(broker, topic, range(EACH))
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with member(broker, group, Seen(engine, topic)):
        await until(engine, 1)
        for _ in range(3):
            with contextlib.suppress(sa.exc.DBAPIError):  # the connection that asks may be one that was broken before
                async with engine.connect() as connection:
                    await connection.execute(sa.text(others))
            await asyncio.sleep(0.1)
        await write(broker, topic, range(EACH, 2 * EACH))
        await asyncio.sleep(0.3)
        await until(engine, 2 * PARTITIONS * EACH)

    assert await values(engine) == expected(range(2 * EACH))
    assert "database does not take a batch" in caplog.text


async def test_below_the_logs_start_it_goes_on_with_what_is_left(
    broker: str, engine: AsyncEngine, topic: str, group: str
) -> None:
    await write(broker, topic, range(EACH))
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, n): RecordsToDelete(100) for n in range(PARTITIONS)})
    await admin.close()
    async with member(broker, group, Seen(engine, topic)):
        await until(engine, PARTITIONS * (EACH - 100))

    assert await values(engine) == expected(range(100, EACH))


async def test_positions_never_go_back(engine: AsyncEngine) -> None:
    for offset, note in ((5, "first"), (3, "late"), (5, "same"), (9, "ahead"), (8, "later")):
        async with engine.begin() as connection:
            row = {"topic": "t", "partition": 0, "next_offset": offset, "note": note}
            await move_positions(connection, position, [row])
            stored = await read_positions(connection, position)
        assert (stored["t", 0].next_offset, stored["t", 0].note) == {
            "first": (5, "first"),
            "late": (5, "first"),
            "same": (5, "same"),
            "ahead": (9, "ahead"),
            "later": (9, "ahead"),
        }[note]
