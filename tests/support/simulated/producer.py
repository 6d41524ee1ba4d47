"""The slice of AIOKafkaProducer that the host uses: batches that fill up, one request per partition on its way, retries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, ProducerClosed
from aiokafka.structs import RecordMetadata

from shared.engine.fold.batch import Emit
from tests.support.simulated.broker import Broker
from tests.support.simulated.wire import Wire


class Batch:
    """`room`: records that fit in, so that few records already make many batches."""

    def __init__(self, room: int) -> None:
        self.records: list[Emit] = []
        self._room, self._closed = room, False

    def append(
        self, *, key: bytes | None, value: bytes, timestamp: int | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> int | None:
        """None: full, or closed."""
        if self._closed or len(self.records) == self._room:
            return None
        self.records.append(Emit("", 0, key, value, headers))
        return len(self.records)

    def close(self) -> None:
        self._closed = True


class Producer:
    def __init__(self, broker: Broker, wire: Wire, *, room: int) -> None:
        self._broker, self._wire, self._room = broker, wire, room
        self._sequences: dict[TopicPartition, int] = {}
        self._lanes: dict[TopicPartition, asyncio.Lock] = {}
        self._running = False

    async def start(self) -> None:
        self._id = await self._wire.call(self._broker.new_producer)
        self._running = True

    async def stop(self) -> None:
        self._running = False

    def create_batch(self) -> Batch:
        return Batch(self._room)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[RecordMetadata]:
        """The future is done when the broker has answered."""
        if not self._running:
            raise ProducerClosed
        self._wire.process.check()
        sending = self._wire.loop.create_task(self._send(TopicPartition(topic, partition), batch.records))
        return asyncio.shield(sending)

    async def _send(self, place: TopicPartition, records: Sequence[Emit]) -> RecordMetadata:
        async with self._lanes.setdefault(place, asyncio.Lock()):
            sequence = self._sequences.get(place, 0)
            self._sequences[place] = sequence + len(records)
            while True:
                answer = await self._wire.call(lambda: self._broker.produce(self._id, sequence, place, records))
                if self._wire.rnd.random() < 0.03:
                    continue  # the answer was lost: the same batch again, under the same number
                if isinstance(answer, KafkaError):
                    raise answer
                return RecordMetadata(*place, place, answer, 0, 0, 0)
