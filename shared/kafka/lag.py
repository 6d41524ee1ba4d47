"""Lag of consumer groups by partition: records between the commit, or the log's start, and the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import Final, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.kafka.commits import committed

OLDEST_WITHIN_SECONDS: Final = 2.0
"""Longest wait for the oldest records of one look."""
POLL_MS: Final = 100

Record = tuple[TopicPartition, int]
"""Partition and offset."""
Inputs = Mapping[str, Collection[str]]
"""Group → topics that it reads."""
_NONE: Final[Inputs] = MappingProxyType({})


class PartitionLag(NamedTuple):
    """One partition as a group has read it."""

    topic: str
    partition: int
    committed: int | None
    """Next offset to read; None: the group never committed in this partition."""
    start: int
    """Offset of the oldest record that the log still has."""
    end: int
    """Offset of the next record to come."""
    since: int | None = None
    """Timestamp (ms) of the oldest record not committed; None: not asked for, or no such record."""

    @property
    def next(self) -> int:
        """The record that the group reads next."""
        return max(self.committed or 0, self.start)

    @property
    def lag(self) -> int:
        """Records not committed."""
        return max(0, self.end - self.next)

    @property
    def oldest(self) -> Record:
        """Place of the oldest record not committed."""
        return TopicPartition(self.topic, self.partition), self.next


class LagReader:
    """`async with LagReader(bootstrap) as lag: await lag.read()`; keeps its connections open in between.

    A partition without a commit counts from the log's start if its group committed in another one of the topic.
    `inputs`: topics that count for a group also without any commit.
    `others`: whether groups are read that `inputs` does not name.
    `topics`: those that are read; None: all.
    `ages`: whether `since` is read.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        inputs: Inputs = _NONE,
        others: bool = True,
        topics: Collection[str] | None = None,
        ages: bool = False,
    ) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # a record that retention takes meanwhile: the oldest that is left
            max_partition_fetch_bytes=64 << 10,
            fetch_max_wait_ms=100,
        )
        self._inputs, self._others, self._topics, self._ages = inputs, others, topics, ages
        self._partitions: dict[str, list[int]] = {}
        self._stamps: dict[Record, int] = {}
        self._stamping = asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            await self._admin.start()
            await self._reader.start()
        except BaseException:  # cancelled, too: nothing may be left open; it goes on to the caller
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def read(self) -> dict[str, list[PartitionLag]]:
        """Partitions of each group, both sorted; a group that the broker knows without any commit has none.

        Raises KafkaError or TimeoutError where the broker does not answer.
        """
        commits = await self._commits()
        places = {group: await self._places(group, commits[group]) for group in sorted(commits)}
        every = sorted({place for found in places.values() for place in found})
        starts, ends = await asyncio.gather(self._reader.beginning_offsets(every), self._reader.end_offsets(every))
        lags = {
            group: [PartitionLag(at.topic, at.partition, commits[group].get(at), starts[at], ends[at]) for at in found]
            for group, found in places.items()
        }
        return await self._with_ages(lags) if self._ages else lags

    async def size(self, topic: str) -> int:
        """Records ever written to a topic, over all partitions."""
        places = [TopicPartition(topic, number) for number in await self._numbers(topic)]
        return sum((await self._reader.end_offsets(places)).values())

    async def _close(self) -> None:
        try:
            await self._reader.stop()
        finally:
            await self._admin.close()

    async def _commits(self) -> dict[str, dict[TopicPartition, int]]:
        groups = set(self._inputs)
        if self._others:
            groups |= {group for group, *_ in await self._admin.list_consumer_groups()}
        found = await asyncio.gather(*(committed(self._admin, group) for group in groups))
        return {
            group: {place: at.offset for place, at in offsets.items() if self._counts(place.topic)}
            for group, offsets in zip(groups, found, strict=True)
        }

    def _counts(self, topic: str) -> bool:
        return self._topics is None or topic in self._topics

    async def _places(self, group: str, commits: Iterable[TopicPartition]) -> list[TopicPartition]:
        topics = {place.topic for place in commits} | set(self._inputs.get(group, ()))
        return [TopicPartition(topic, number) for topic in sorted(topics) for number in await self._numbers(topic)]

    async def _numbers(self, topic: str) -> list[int]:
        """Partitions of a topic, sorted; none where it was deleted."""
        if not self._partitions.get(topic):
            (told,) = await self._admin.describe_topics([topic])
            self._partitions[topic] = sorted(one["partition"] for one in told["partitions"])
        return self._partitions[topic]

    async def _with_ages(self, lags: dict[str, list[PartitionLag]]) -> dict[str, list[PartitionLag]]:
        waiting = {one.oldest for found in lags.values() for one in found if one.lag}
        async with self._stamping:
            self._stamps = {key: stamp for key, stamp in self._stamps.items() if key in waiting}
            await self._read_stamps(waiting - self._stamps.keys())
            stamps = self._stamps
        return {group: [one._replace(since=stamps.get(one.oldest)) for one in found] for group, found in lags.items()}

    async def _read_stamps(self, missing: set[Record]) -> None:
        """Timestamp of the first record at or after each offset; none where only deleted records follow."""
        while missing:
            # Two groups may stand at different offsets of one partition: each round reads one of them.
            now = dict(missing)
            missing = missing - now.items()
            self._reader.assign(list(now))
            for place, offset in now.items():
                self._reader.seek(place, offset)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OLDEST_WITHIN_SECONDS):
                    await self._first_of(now)

    async def _first_of(self, offsets: dict[TopicPartition, int]) -> None:
        left = set(offsets)
        while left:
            for place, records in (await self._reader.getmany(*left, timeout_ms=POLL_MS)).items():
                self._stamps[place, offsets[place]] = records[0].timestamp
                left.discard(place)


def by_topic(lags: Mapping[str, Iterable[PartitionLag]]) -> dict[str, dict[str, int]]:
    """Records not committed, by group and topic."""
    found: dict[str, dict[str, int]] = {}
    for group, partitions in lags.items():
        topics = found.setdefault(group, {})
        for one in partitions:
            topics[one.topic] = topics.get(one.topic, 0) + one.lag
    return found
