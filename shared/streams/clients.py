"""Kafka clients with the settings that were measured (rule 13); decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.streams.batch import Emit
from shared.streams.rules import BrokenInvariantError

BATCH_BYTES = 512 << 10


def producer(bootstrap: str, *, linger_ms: int = 0) -> AIOKafkaProducer:
    """acks=all, idempotent, lz4, murmur2 (aiokafka's default partitioner)."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=linger_ms,
        max_batch_size=BATCH_BYTES,
        max_request_size=4 << 20,
        request_timeout_ms=30_000,
    )


def group_consumer(bootstrap: str, group: str, *, instance: str | None) -> AIOKafkaConsumer:
    """A member of `group`, static where the supervisor owns the instance id."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id=instance,
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # never trusted: the host seeks before it takes anything, and checks contiguity
        session_timeout_ms=10_000,
        heartbeat_interval_ms=3_000,
        rebalance_timeout_ms=60_000,
        max_poll_interval_ms=300_000,
        max_partition_fetch_bytes=1 << 20,
        fetch_max_wait_ms=100,
    )


def reader(bootstrap: str) -> AIOKafkaConsumer:
    """A consumer without a group, for reading whole partitions fast."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
        fetch_max_bytes=64 << 20,
        fetch_max_wait_ms=50,
    )


class KafkaSink:
    """Whole record batches, built by us: the next of a target is handed over only after the ack of the one before (rule 3)."""

    def __init__(self, client: AIOKafkaProducer, *, one_in_flight: bool = True) -> None:
        self._client, self._one_in_flight = client, one_in_flight

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> None:
        """As `Sink.send`."""
        start, waiting = 0, []
        while start < len(records):
            batch, end = self._client.create_batch(), start
            while end < len(records) and self._append(batch, records[end]):
                end += 1
            if end == start:
                msg = f"a record for {topic} does not fit into a batch"
                raise BrokenInvariantError(msg)
            batch.close()
            future = await self._client.send_batch(batch, topic, partition=partition)
            if self._one_in_flight:
                await future
            waiting.append(future)
            start = end
        await asyncio.gather(*waiting)

    @staticmethod
    def _append(batch: object, record: Emit) -> bool:
        headers = list(record.headers)
        return batch.append(key=record.key, value=record.value, timestamp=None, headers=headers) is not None  # type: ignore[attr-defined]
