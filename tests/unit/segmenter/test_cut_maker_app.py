"""The cut maker's shell: who has acknowledged is not asked again."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaTimeoutError

from services.segmenter import cut_maker_app
from shared.contract.topics import CUSTOMER_EVENTS


class Producer:
    """Acknowledges every record but those for the partitions that are down."""

    def __init__(self, down: set[int]) -> None:
        self.down, self.sent = down, list[tuple[str, bytes, int]]()

    async def send(self, topic: str, *, value: bytes, partition: int) -> asyncio.Future[None]:
        self.sent.append((topic, value, partition))
        answer = asyncio.get_running_loop().create_future()
        if partition in self.down:
            answer.set_exception(KafkaTimeoutError())
        else:
            answer.set_result(None)
        return answer


async def test_only_partitions_that_refused_are_written_again() -> None:
    producer, waiting = Producer(down={1, 2}), {0, 1, 2}

    with pytest.raises(KafkaTimeoutError):
        await cut_maker_app._publish(producer, b"cuts", waiting)
    left = set(waiting)
    producer.down = set()
    await cut_maker_app._publish(producer, b"cuts", waiting)

    assert (left, waiting) == ({1, 2}, set())
    assert producer.sent == [(CUSTOMER_EVENTS.name, b"cuts", partition) for partition in (0, 1, 2, 1, 2)]
