"""T8: the clock rolls every topic of the list at once and then now and again, whatever the broker refuses."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaConnectionError

from services.ingest import rolling
from services.ingest.rolling import EVERY_SECONDS, keep_rolling
from shared.contract.topics import ROLL_KEY, ROLLED
from shared.kafka.broadcast import Topic


class Away:
    """Takes nothing for the first so many records; keeps what it took."""

    def __init__(self, refused: int = 0) -> None:
        self.refused = refused
        self.taken: list[tuple[str, bytes | None, bytes | None, int]] = []

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None, *, partition: int, headers: object
    ) -> asyncio.Future[None]:
        if self.refused:
            self.refused -= 1
            raise KafkaConnectionError
        self.taken.append((topic, value, key, partition))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


async def _run(client: Away, records: int, **waits: float) -> None:
    running = asyncio.create_task(keep_rolling(client, **waits))  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        while len(client.taken) < records:
            await asyncio.sleep(0)
    running.cancel()


async def test_t8_each_partition_of_each_topic_is_rolled_at_once_and_again() -> None:
    client, one = Away(), [(topic.name, None, ROLL_KEY, each) for topic in ROLLED for each in range(topic.partitions)]

    await _run(client, 2 * len(one), every=0.01)

    assert client.taken[: 2 * len(one)] == one * 2


async def test_t8_what_is_refused_is_tried_again_and_ends_nothing() -> None:
    client = Away(refused=1)

    await _run(client, sum(topic.partitions for topic in ROLLED), every=60.0, retry=0.01)


async def test_t8_a_refusal_waits_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rolled: list[str] = []

    async def refuses(_: object, topic: Topic) -> None:
        rolled.append(topic.name)
        raise TimeoutError

    monkeypatch.setattr(rolling, "roll", refuses)
    running = asyncio.create_task(keep_rolling(Away(), retry=60.0))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    running.cancel()

    assert rolled == [ROLLED[0].name]


def test_t8_records_come_twice_in_a_segments_time() -> None:
    assert {2_000 * EVERY_SECONDS} == {int(topic.config["segment.ms"]) for topic in ROLLED}
