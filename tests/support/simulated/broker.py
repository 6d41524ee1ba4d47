"""The broker's side: logs with offsets, idempotent producers, refusals; answers at once, the network in between takes the time."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, Sequence

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OutOfOrderSequenceNumber

from shared.engine.fold.batch import Emit
from tests.support.simulated.group import Group
from tests.support.simulated.loop import VirtualLoop


class Kept(msgspec.Struct, frozen=True):
    """A record of a log; has the shape of aiokafka's ConsumerRecord as far as the host reads it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Broker:
    """Topics exist when first used; the partitions that a group shares are declared, any numbers will do."""

    def __init__(self, loop: VirtualLoop, topics: Mapping[str, Sequence[int]]) -> None:
        self.loop, self.topics = loop, dict(topics)
        self.groups: dict[str, Group] = {}
        self.max_bytes: dict[str, int] = {}
        """Topic → limit of one record batch, in bytes of keys and values."""
        self.refuse_next = 0
        """So many produce requests will be refused, whatever they hold."""
        self._logs: dict[TopicPartition, list[Kept]] = {}
        self._sequences: dict[tuple[int, TopicPartition], list[tuple[int, int, int]]] = {}
        self._producers = 0
        self._grown = loop.create_future()

    # --- logs

    def log(self, place: TopicPartition) -> list[Kept]:
        """All records, oldest first."""
        return self._logs.setdefault(place, [])

    def append(self, place: TopicPartition, records: Sequence[Emit]) -> int:
        """Offset of the first."""
        log = self.log(place)
        base, now = len(log), int(self.loop.time() * 1000)
        for number, record in enumerate(records):
            log.append(
                Kept(place.topic, place.partition, base + number, record.key, record.value, now, tuple(record.headers))
            )
        self._grown.set_result(None)
        self._grown = self.loop.create_future()
        return base

    def digest(self) -> int:
        """Of everything that was ever written, where and when."""
        return zlib.crc32(repr(sorted(self._logs.items())).encode())

    def grown(self) -> asyncio.Future[None]:
        """Done at the next append, wherever it is."""
        return self._grown

    # --- produce

    def new_producer(self) -> int:
        self._producers += 1
        return self._producers

    def produce(self, producer: int, sequence: int, place: TopicPartition, records: Sequence[Emit]) -> int | KafkaError:
        """Offset of the first record; a batch sent again gets the answer of the first time.

        A broker that knows nothing of a producer takes any first sequence number: so a batch behind a refused one is taken.
        """
        size = sum(len(record.key or b"") + len(record.value) for record in records)
        if self.refuse_next or size > self.max_bytes.get(place.topic, size):
            self.refuse_next = max(0, self.refuse_next - 1)
            return MessageSizeTooLargeError()
        known = self._sequences.setdefault((producer, place), [])
        for first, count, base in known:
            if first == sequence and count == len(records):
                return base
        if known and sequence != known[-1][0] + known[-1][1]:
            return OutOfOrderSequenceNumber()
        base = self.append(place, records)
        known.append((sequence, len(records), base))
        return base

    # --- groups

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group(self.loop))
