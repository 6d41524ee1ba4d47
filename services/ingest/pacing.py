"""How far the chain is behind, for whoever must not crowd out live events. Knows offsets; not records."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self, final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from shared.topics import CUSTOMER_EVENTS, PARTITIONS

FIRST_GROUP: Final = "profile"
"""Consumer group of the first hop."""


@final
class ChainLag:
    """`async with ChainLag(bootstrap) as chain: await chain.records()`."""

    def __init__(self, bootstrap: str, group: str = FIRST_GROUP) -> None:
        self._group = group
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
        self._partitions = [TopicPartition(CUSTOMER_EVENTS.name, number) for number in range(PARTITIONS)]

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
        """Records of customer-events-v1 that the chain has not committed; None if it never committed."""
        try:
            committed = await self._admin.list_consumer_group_offsets(self._group, partitions=self._partitions)
        except GroupCoordinatorNotAvailableError:  # no group has ever committed on this broker
            return None
        known = {place: entry.offset for place, entry in committed.items() if entry.offset >= 0}
        if not known:
            return None
        ends: dict[TopicPartition, int] = await self._reader.end_offsets(self._partitions)
        behind: int = sum(max(0, end - known.get(place, 0)) for place, end in ends.items())
        return behind
