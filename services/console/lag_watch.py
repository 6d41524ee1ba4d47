"""Asks the broker how far each consumer group is behind; knows offsets and timestamps, not what records mean."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.console.lag import KEPT_SAMPLES, GroupLag, LagBoard, Sample, judge
from shared import clock
from shared.contract.topics import TOPICS
from shared.log import Log

LOG = Log(__name__)
EVERY_S: Final = 2.0
RECORD_WITHIN_S: Final = 2.0
CHAIN: Final = ("profile", "segmenter", "trigger-engine", "notifier", "console")
"""Groups in the order of the stream; others follow by name."""
OURS: Final = frozenset(topic.name for topic in TOPICS)

Offsets = Mapping[TopicPartition, int]


class LagWatch:
    """Looks every two seconds; `board` is the latest look."""

    def __init__(self, bootstrap: str) -> None:
        """Nothing is opened yet."""
        self.board = LagBoard()
        self._admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        self._reader = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # a record that retention has taken: the oldest that is left
            max_partition_fetch_bytes=64 << 10,
            fetch_max_wait_ms=100,
        )
        self._samples: dict[str, deque[Sample]] = defaultdict(lambda: deque(maxlen=KEPT_SAMPLES))
        self._stamps: dict[tuple[TopicPartition, int], int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`; while the broker is away the last board stays, with its time."""
        try:
            await self._admin.start()
            await self._reader.start()
            while not stop.is_set():
                try:
                    self.board = await self._look()
                except KafkaError as error:
                    LOG.warning("lag unknown", error=type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), EVERY_S)
        finally:
            await self._reader.stop()
            await self._admin.close()

    async def _look(self) -> LagBoard:
        committed = await self._committed()
        places = sorted({place for offsets in committed.values() for place in offsets})
        ends = await self._reader.end_offsets(places) if places else {}
        behind = {
            group: {place: offset for place, offset in offsets.items() if offset < ends[place]}
            for group, offsets in committed.items()
        }
        wanted = {(place, offset) for offsets in behind.values() for place, offset in offsets.items()}
        self._stamps = {key: stamp for key, stamp in self._stamps.items() if key in wanted}
        groups = [
            await self._group(group, committed[group], behind[group], ends)
            for group in sorted(behind, key=_upstream_first)
        ]
        return LagBoard(at=clock.now_ms(), groups=tuple(groups))

    async def _committed(self) -> dict[str, dict[TopicPartition, int]]:
        found = {}
        for group, *_ in await self._admin.list_consumer_groups():
            offsets = await self._admin.list_consumer_group_offsets(group)
            mine = {place: at.offset for place, at in offsets.items() if place.topic in OURS and at.offset >= 0}
            if mine:
                found[group] = mine
        return found

    async def _group(self, group: str, committed: Offsets, behind: Offsets, ends: Offsets) -> GroupLag:
        topics: dict[str, int] = {place.topic: 0 for place in committed}
        for place, offset in behind.items():
            topics[place.topic] += ends[place] - offset
        await self._read_stamps(behind)
        now, records = clock.now_ms(), sum(topics.values())
        stamps = [self._stamps[key] for key in behind.items() if key in self._stamps]
        seconds = max((now - min(stamps)) / 1000, 0.0) if stamps else 0.0
        samples = self._samples[group]
        samples.append(Sample(now, records, sum(committed.values()), seconds))
        return GroupLag(group=group, records=records, seconds=seconds, state=judge(samples), topics=topics)

    async def _read_stamps(self, behind: Offsets) -> None:
        """Timestamp of the one record at each offset, where it is not known from the look before."""
        missing = {place: offset for place, offset in behind.items() if (place, offset) not in self._stamps}
        if not missing:
            return
        self._reader.assign(list(missing))
        for place, offset in missing.items():
            self._reader.seek(place, offset)
        for place, offset in missing.items():
            try:
                record = await asyncio.wait_for(self._reader.getone(place), RECORD_WITHIN_S)
            except TimeoutError:  # only deleted records stand between the commit and the end
                continue
            self._stamps[place, offset] = record.timestamp


def _upstream_first(group: str) -> tuple[int, str]:
    return (CHAIN.index(group) if group in CHAIN else len(CHAIN)), group
