"""A notifier that can read nothing, started again and again: it halts, and goes on by itself once it can read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio
import sqlalchemy as sa
from aiokafka import TopicPartition

from deploy.migrate import upgrade
from services.notifier import tables
from services.notifier.bell import Bell
from services.notifier.outbox import Outbox
from services.notifier.reader import reader
from services.notifier.state import Limits
from services.notifier.store import Store
from shared.contract.codec import encode
from shared.contract.topics import DEAD_LETTERS, OUTREACH_COMMANDS
from shared.engine.fold.poison_limit import MOST_NET
from shared.engine.fold.rules import BrokenInvariantError
from tests.integration.notifier_house import make_command
from tests.support.stack import fresh_database

pytestmark = pytest.mark.asyncio(loop_scope="session")
PLACE = TopicPartition(OUTREACH_COMMANDS.name, 3)
PER_LIFE, FETCH = 150, 30


class Line:
    """A Kafka record."""

    topic, partition, timestamp, key = PLACE.topic, PLACE.partition, 77, b"u1"

    def __init__(self, offset: int, value: bytes) -> None:
        self.offset, self.value = offset, value


class Log:
    """One partition, and a consumer of it that tells the reader where it is put."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.next = 0

    def add(self, values: Iterable[bytes]) -> None:
        for value in values:
            self.lines.append(Line(len(self.lines), value))

    async def getmany(self, **_: int) -> dict[TopicPartition, list[Line]]:
        found = self.lines[self.next : self.next + FETCH]
        self.next += len(found)
        return {PLACE: found} if found else {}

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({PLACE})

    async def committed(self, _: TopicPartition) -> int:
        return 0

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.next = offset

    def resume(self, *_: TopicPartition) -> None:
        return

    async def commit(self, _: object) -> None:
        return


@pytest_asyncio.fixture(loop_scope="session")
async def store(database_server: str) -> AsyncIterator[Store]:
    async with fresh_database(database_server) as url:
        await upgrade(url)
        opened = Store.connect(url, connections=2)
        yield opened
        await opened.close()


async def life(store: Store, log: Log) -> bool:
    """A start and all that waits; False if it stopped itself."""
    outbox = Outbox(store, Limits(), scenario=False)
    intake = reader(log, outbox, Bell(), seal=lambda *_: b"sealed", restored="refuse")
    await intake.on_partitions_assigned(set())
    await intake.turn()
    try:
        while log.next < len(log.lines):
            await intake.turn()
    except BrokenInvariantError:
        return False
    return True


async def count(store: Store, table: sa.Table, topic: str = "") -> int:
    query = sa.select(sa.func.count()).select_from(table)
    async with store.begin() as transaction:
        return int(await transaction.connection.scalar(query.where(table.c.topic == topic) if topic else query) or 0)


async def test_over_its_restarts_it_halts_and_good_records_set_it_going_again(store: Store) -> None:
    log, lives = Log(), []
    for _ in range(8):
        log.add([b"{"] * PER_LIFE)
        lives.append(await life(store, log))

    buried = await count(store, tables.publication, DEAD_LETTERS.name)
    assert lives == [True] * 3 + [False] * 5, "each life alone saw fewer than would have stopped it"
    assert MOST_NET - FETCH <= buried < MOST_NET

    log.lines = log.lines[:buried]  # the records behind are now such as it can read, as under a mended version
    log.add(encode(make_command("mended", number, "sms")) for number in range(2 * PER_LIFE))
    assert await life(store, log)
    assert await count(store, tables.outbox) == 2 * PER_LIFE
    async with store.begin() as transaction:
        balance = await transaction.connection.scalar(sa.select(tables.stream_position.c.balance))
    assert balance == buried - 2 * PER_LIFE
