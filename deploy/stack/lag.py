"""How far consumers are behind: knows groups and offsets; not what the records mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS


class LagReader:
    """`async with LagReader(bootstrap) as lag: await lag.read()`; keeps its connections open in between."""

    inputs: Mapping[str, str] = {}
    """Group → topic of which also partitions without a commit count, from their first record on."""

    def __init__(self, bootstrap: str) -> None:
        """Nothing is opened yet."""
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._admin.start()
        await self._reader.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._reader.stop()
        await self._admin.close()

    async def read(self) -> dict[str, dict[str, int]]:
        """Records between commit and end, by group and topic; partitions without a commit count only for `inputs`."""
        committed = {
            group: {TopicPartition(topic, number): 0 for number in range(PARTITIONS)}
            for group, topic in self.inputs.items()
        }
        for group, *_ in sorted(await self._admin.list_consumer_groups()):
            committed[group] = committed.get(group, {}) | {
                partition: position.offset
                for partition, position in (await self._admin.list_consumer_group_offsets(group)).items()
                if position.offset >= 0
            }
        ends = await self._reader.end_offsets(
            sorted({partition for found in committed.values() for partition in found})
        )
        lags: dict[str, dict[str, int]] = {}
        for group, positions in committed.items():
            topics: dict[str, int] = defaultdict(int)
            for partition, offset in positions.items():
                topics[partition.topic] += max(0, ends[partition] - offset)
            lags[group] = dict(topics)
        return lags

    async def size(self, topic: str = CUSTOMER_EVENTS.name) -> int:
        """Records ever written to a topic of the chain, over all partitions."""
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        return sum((await self._reader.end_offsets(places)).values())
