"""Customer id → partition, the same in every producer (murmur2, as Kafka's own clients do)."""

from __future__ import annotations

from aiokafka.partitioner import murmur2

from shared.topics import PARTITIONS


def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    """The partition of a customer-keyed topic for this key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
