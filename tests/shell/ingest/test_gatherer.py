"""Requests share batches, each hears of its own records only, and nobody waits for what is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError

from services.ingest.gatherer import Gatherer
from shared.engine.fold.batch import Emit
from shared.engine.recovery.effects import Appended


class SlowSink:
    """Notes batches; each waits for `go`, and fails while `failing`."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int, list[bytes]]] = []
        self.under_way: dict[tuple[str, int], int] = {}
        self.go = asyncio.Event()
        self.failing: set[int] = set()

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> Sequence[Appended] | None:
        target = (topic, partition)
        self.under_way[target] = self.under_way.get(target, 0) + 1
        assert self.under_way[target] == 1, "two batches of one target are under way"
        try:
            self.batches.append((topic, partition, [record.value for record in records]))
            await self.go.wait()
            if partition in self.failing:
                raise KafkaTimeoutError
        finally:
            self.under_way[target] -= 1
        return None


def records(name: str, *partitions: int) -> list[Emit]:
    return [Emit("t", partition, b"k", f"{name}{place}".encode()) for place, partition in enumerate(partitions)]


async def started(gatherer: Gatherer, *requests: list[Emit]) -> list[asyncio.Task[None]]:
    tasks = []
    for request in requests:
        tasks.append(asyncio.create_task(gatherer.publish(request)))
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    return tasks


async def test_what_comes_while_a_batch_is_under_way_makes_up_the_next_one_in_order() -> None:
    sink = SlowSink()
    gatherer = Gatherer(sink)
    first = await started(gatherer, records("a", 0, 1))
    later = await started(gatherer, records("b", 0, 0), records("c", 0), records("d", 2))
    assert not any(task.done() for task in first + later)
    sink.go.set()
    await asyncio.gather(*first, *later)
    assert sink.batches == [
        ("t", 0, [b"a0"]),
        ("t", 1, [b"a1"]),
        ("t", 2, [b"d0"]),
        ("t", 0, [b"b0", b"b1", b"c0"]),
    ]


async def test_a_request_fails_with_the_target_that_fails_and_others_do_not() -> None:
    sink = SlowSink()
    sink.failing = {1}
    gatherer = Gatherer(sink)
    both, good = await started(gatherer, records("a", 0, 1), records("b", 0))
    sink.go.set()
    with pytest.raises(KafkaError):
        await both
    await good


async def test_a_request_that_gave_up_leaves_nothing_behind() -> None:
    sink = SlowSink()
    gatherer = Gatherer(sink)
    first = await started(gatherer, records("a", 0))
    gone = await started(gatherer, records("gone", 0, 0))
    stays = await started(gatherer, records("b", 0))
    gone[0].cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    sink.go.set()
    await asyncio.gather(*first, *stays)
    assert [batch[2] for batch in sink.batches] == [[b"a0"], [b"b0"]]


async def test_thousands_that_give_up_while_the_broker_is_away_are_not_kept() -> None:
    sink = SlowSink()
    gatherer = Gatherer(sink)
    await started(gatherer, records("a", 0))
    for number in range(2_000):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await gatherer.publish(records(str(number), 0))
    assert gatherer._waiting == {("t", 0): []}
    await gatherer.close()


async def test_closing_ends_what_is_under_way() -> None:
    gatherer = Gatherer(SlowSink())
    (under_way,) = await started(gatherer, records("a", 0))
    await gatherer.close()
    with pytest.raises(KafkaError):
        await under_way
    assert gatherer._pumps == {}
