"""The projector's loop on a consumer in memory: after a rebalance it stands where the database stands, whatever came when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from sqlalchemy.exc import OperationalError

from shared.kafka.projector import Place, Projection, Projector
from shared.log import Log

PLACE = TopicPartition("t", 0)


class Line(NamedTuple):
    topic: str
    partition: int
    offset: int


class Consumer:
    """Ten records of one partition, three at a time; `before_fetch` happens while a fetch waits."""

    def __init__(self) -> None:
        self.next = 0
        self.committed: list[dict[TopicPartition, int]] = []
        self.refusal: Exception | None = None
        self.listener: Any = None
        self.started = self.fetches = 0
        self.rebalances_at: set[int] = set()

    def subscribe(self, topics: Sequence[str], *, listener: Any) -> None:
        assert list(topics) == ["t"]
        self.listener = listener

    async def start(self) -> None:
        self.started += 1
        await self.rebalance()

    async def stop(self) -> None:
        self.started -= 1

    async def rebalance(self) -> None:
        """The broker's position is a wrong one."""
        await self.listener.on_partitions_revoked({PLACE})
        self.next = 8
        await self.listener.on_partitions_assigned({PLACE})

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({PLACE})

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.next = offset

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Line]]:
        self.fetches += 1
        if self.fetches in self.rebalances_at:
            await self.rebalance()
        found = [Line("t", 0, offset) for offset in range(self.next, min(10, self.next + max_records))]
        self.next += len(found)
        return {PLACE: found} if found else {}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.committed.append(offsets)


class Tables(Projection):
    """Keeps offsets in the order in which they were written; fails as often as it is told."""

    topics = ("t",)

    def __init__(self, consumer: Consumer, *failures: Exception) -> None:
        self._consumer, self._failures = consumer, list(failures)
        self.written: list[int] = []
        self.asked = self.turns = self.placements = 0
        self.rebalance_while_asked = False

    async def positions(self) -> Mapping[Place, int]:
        self.asked += 1
        if self.rebalance_while_asked:
            self.rebalance_while_asked = False
            await self._consumer.rebalance()
        return {("t", 0): self.written[-1] + 1} if self.written else {}

    async def take(self, records: Sequence[Line]) -> Mapping[Place, int]:
        if self._failures:
            raise self._failures.pop(0)
        self.written += [record.offset for record in records]
        return {("t", 0): records[-1].offset + 1}

    async def placed(self, consumer: Any) -> None:
        self.placements += 1

    async def turned(self, consumer: Any) -> None:
        self.turns += 1


def database_away() -> OperationalError:
    return OperationalError("SELECT 1", {}, ConnectionError("gone"))


async def run(consumer: Consumer, tables: Tables, *, turns: int = 20, retry_s: float | None = None) -> None:
    left = iter(range(turns))
    projector = Projector(consumer, tables, log=Log("test"), most=3, retry_s=retry_s)
    await projector.run(lambda: next(left, None) is None)


async def test_it_begins_where_the_database_stands_and_commits_what_was_written() -> None:
    consumer = Consumer()
    tables = Tables(consumer)
    await run(consumer, tables)

    assert tables.written == list(range(10))
    assert consumer.committed == [{PLACE: offset} for offset in (3, 6, 9, 10)]
    assert (consumer.started, tables.asked, tables.placements) == (0, 1, 1)
    assert tables.turns == consumer.fetches, "after every fetch, also an empty one"


@pytest.mark.parametrize("fetch", [1, 2, 3])
async def test_what_was_fetched_across_a_rebalance_is_not_taken(fetch: int) -> None:
    consumer = Consumer()
    consumer.rebalances_at = {fetch}
    tables = Tables(consumer)
    await run(consumer, tables)

    assert tables.written == list(range(10))
    assert tables.placements == 2


async def test_a_rebalance_while_the_database_is_asked_is_asked_for_again() -> None:
    consumer = Consumer()
    tables = Tables(consumer)
    tables.rebalance_while_asked = True
    await run(consumer, tables)

    assert tables.written == list(range(10))
    assert (tables.asked, tables.placements) == (2, 1)


@pytest.mark.parametrize("failure", [database_away(), ConnectionRefusedError()], ids=repr)
async def test_while_the_database_is_away_it_begins_anew_from_where_it_stands(failure: Exception) -> None:
    consumer = Consumer()
    tables = Tables(consumer, failure, failure)
    await run(consumer, tables, retry_s=0)

    assert tables.written == list(range(10))
    assert tables.asked == 3


async def test_without_a_retry_an_error_of_the_database_ends_it() -> None:
    consumer = Consumer()
    with pytest.raises(OperationalError):
        await run(consumer, Tables(consumer, database_away()))

    assert consumer.started == 0


async def test_an_error_of_another_kind_always_ends_it() -> None:
    consumer = Consumer()
    with pytest.raises(ZeroDivisionError):
        await run(consumer, Tables(consumer, ZeroDivisionError()), retry_s=0)


@pytest.mark.parametrize("refusal", [CommitFailedError(), IllegalStateError()], ids=repr)
async def test_a_commit_that_came_too_late_costs_nothing(refusal: Exception) -> None:
    consumer = Consumer()
    consumer.refusal = refusal
    tables = Tables(consumer)
    await run(consumer, tables)

    assert tables.written == list(range(10))
