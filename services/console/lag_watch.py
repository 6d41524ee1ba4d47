"""The latest look at the lag of every consumer group, in the order of the stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

from aiokafka.errors import KafkaError

from services.console.lag import KEPT_SAMPLES, GroupLag, LagBoard, Sample, judge
from shared import clock
from shared.contract.topics import TOPICS
from shared.kafka.lag import LagReader, PartitionLag, by_topic
from shared.log import Log

LOG = Log(__name__)
EVERY_S: Final = 2.0
CHAIN: Final = ("profile", "segmenter", "trigger-engine", "notifier", "console")
"""Groups in the order of the stream; others follow by name."""
OURS: Final = frozenset(topic.name for topic in TOPICS)


class LagWatch:
    """Looks every two seconds; `board` is the latest look."""

    def __init__(self, bootstrap: str) -> None:
        """Nothing is opened yet."""
        self.board = LagBoard()
        self._lag = LagReader(bootstrap, topics=OURS, ages=True)
        self._samples: dict[str, deque[Sample]] = defaultdict(lambda: deque(maxlen=KEPT_SAMPLES))

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`; while the broker is away the last board stays, with its time."""
        async with self._lag:
            while not stop.is_set():
                try:
                    self.board = await self._look()
                except (KafkaError, TimeoutError) as error:
                    LOG.warning("lag unknown", error=type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), EVERY_S)

    async def _look(self) -> LagBoard:
        lags = await self._lag.read()
        now, topics = clock.now_ms(), by_topic(lags)
        begun = sorted((group for group in lags if lags[group]), key=_upstream_first)
        return LagBoard(at=now, groups=tuple(self._group(group, lags[group], topics[group], now) for group in begun))

    def _group(self, group: str, lags: Sequence[PartitionLag], topics: dict[str, int], now: int) -> GroupLag:
        records = sum(topics.values())
        since = min((one.since for one in lags if one.since is not None), default=now)
        seconds = max((now - since) / 1000, 0.0)
        samples = self._samples[group]
        samples.append(Sample(now, records, sum(one.committed or 0 for one in lags), seconds))
        return GroupLag(group=group, records=records, seconds=seconds, state=judge(samples), topics=topics)


def _upstream_first(group: str) -> tuple[int, str]:
    return (CHAIN.index(group) if group in CHAIN else len(CHAIN)), group
