"""Reads whole topics to their end; knows Kafka and bytes, not what the records mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared import clock


class LogRecord(msgspec.Struct, frozen=True):
    """One record as it stands in the log; `timestamp` in ms."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


async def read_topic(bootstrap: str, topic: str, *, patience: float = 60.0) -> list[LogRecord]:
    """All records of all partitions up to the ends found at the start, in offset order within a partition.

    Joins no group and commits nothing. TimeoutError if nothing arrives for `patience` seconds before the ends are
    reached; an unknown topic has no records.
    """
    partitions = await _partitions(bootstrap, topic)
    if not partitions:
        return []
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        return await _read(consumer, topic, partitions, patience)
    finally:
        await consumer.stop()


async def _partitions(bootstrap: str, topic: str) -> list[TopicPartition]:
    """Asked of the broker: a consumer knows nothing of a topic that it has not been assigned yet."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if topic not in await admin.list_topics():
            return []
        [described] = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return [TopicPartition(topic, number) for number in sorted(part["partition"] for part in described["partitions"])]


async def _read(
    consumer: AIOKafkaConsumer, topic: str, partitions: list[TopicPartition], patience: float
) -> list[LogRecord]:
    consumer.assign(partitions)
    ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
    await consumer.seek_to_beginning(*partitions)
    found: list[LogRecord] = []
    progress = clock.monotonic()
    while await _unfinished(consumer, ends):
        batches = await consumer.getmany(timeout_ms=200, max_records=20_000)
        if batches:
            progress = clock.monotonic()
        elif clock.monotonic() - progress > patience:
            raise TimeoutError(f"{topic}: no record for {patience:.0f} s, the ends are not reached")
        found += [
            LogRecord(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)
            for place, batch in batches.items()
            for record in batch
            if record.offset < ends[place]
        ]
    return found


async def _unfinished(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    """By position, not by records seen: a compacted log may end in offsets that hold nothing."""
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return True
    return False


def by_partition(records: Iterable[LogRecord]) -> dict[int, list[LogRecord]]:
    """The records of each partition in offset order."""
    parts: dict[int, list[LogRecord]] = defaultdict(list)
    for record in records:
        parts[record.partition].append(record)
    return {number: sorted(part, key=lambda record: record.offset) for number, part in sorted(parts.items())}
