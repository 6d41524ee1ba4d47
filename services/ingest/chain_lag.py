"""How far the chain is behind, for whoever must not crowd out live events. Knows offsets; not records."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self, final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS, PROFILE_UPDATES, SEGMENT_UPDATES

HOPS: Final = {
    "profile": CUSTOMER_EVENTS.name,
    "segmenter": PROFILE_UPDATES.name,
    "trigger-engine": SEGMENT_UPDATES.name,
}
"""Consumer group of each hop → what it reads."""


@final
class ChainLag:
    """`async with ChainLag(bootstrap) as chain: await chain.records()`."""

    def __init__(self, bootstrap: str, hops: Mapping[str, str] = HOPS) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
        self._places = {group: [TopicPartition(topic, n) for n in range(PARTITIONS)] for group, topic in hops.items()}

    async def __aenter__(self) -> Self:
        await self._reader.start()
        await self._admin.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._admin.close()
        await self._reader.stop()

    async def records(self) -> int | None:
        """Records that the hop furthest behind has not committed; None if no hop ever committed."""
        committed = await asyncio.gather(*(self._committed(group) for group in self._places))
        if not any(committed):
            return None
        places = [place for places in self._places.values() for place in places]
        ends: dict[TopicPartition, int] = await self._reader.end_offsets(places)
        behind = [
            sum(max(0, ends[place] - known.get(place, 0)) for place in self._places[group])
            for group, known in zip(self._places, committed, strict=True)
            if known
        ]
        return max(behind)

    async def _committed(self, group: str) -> dict[TopicPartition, int]:
        try:
            found = await self._admin.list_consumer_group_offsets(group, partitions=self._places[group])
        except GroupCoordinatorNotAvailableError:  # no group has ever committed on this broker
            return {}
        return {place: entry.offset for place, entry in found.items() if entry.offset >= 0}
