"""Topics of a running stack as they grow: each record is fetched once, however often a test looks."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contract.topics import PARTITIONS, TOPICS
from shared.kafka.clients import reader
from tests.oracle.reader import LogRecord

_PARTITIONS = {topic.name: topic.partitions for topic in TOPICS}


class Followed:
    """What stands in topics that nobody makes anew meanwhile."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._readers: dict[str, AIOKafkaConsumer] = {}
        self._seen: dict[str, list[LogRecord]] = {}

    async def close(self) -> None:
        for consumer in self._readers.values():
            await consumer.stop()

    async def records(self, topic: str) -> list[LogRecord]:
        """Every record up to the ends of this moment, in offset order within a partition."""
        places = [TopicPartition(topic, number) for number in range(_PARTITIONS.get(topic, PARTITIONS))]
        if topic not in self._readers:
            self._readers[topic], self._seen[topic] = await self._opened(places), []
        consumer, seen = self._readers[topic], self._seen[topic]
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for place, batch in (await consumer.getmany(timeout_ms=200)).items():
                seen += [LogRecord(place.partition, r.offset, r.timestamp, r.key, r.value, r.headers) for r in batch]
        return list(seen)

    async def _opened(self, places: list[TopicPartition]) -> AIOKafkaConsumer:
        consumer = reader(self._bootstrap)
        await consumer.start()
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        return consumer
