"""Writes roll records (T8): Kafka closes a segment on append only, and compaction leaves the open one as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka.errors import KafkaError

from shared.contract.topics import ROLL_KEY, ROLLED
from shared.kafka.broadcast import Broadcast, Producer, Topic
from shared.log import Log

EVERY_SECONDS: Final = min(int(each.config["segment.ms"]) for each in ROLLED) / 2_000
"""Half of a segment's time: a segment that is just too young for one record is closed by the next."""
RETRY_SECONDS: Final = 60.0

_log = Log("clock")


async def roll(client: Producer, topic: Topic) -> None:
    """One roll record into each partition, all acknowledged on return: where a segment's time is up, it closes."""
    await Broadcast(topic, None, key=ROLL_KEY).over(client)


async def keep_rolling(
    client: Producer, topics: Sequence[Topic] = ROLLED, *, every: float = EVERY_SECONDS, retry: float = RETRY_SECONDS
) -> None:
    """Roll at once and then `every` so many seconds, until cancelled. What the broker refuses is tried again: ticks go on."""
    while True:
        try:
            for topic in topics:
                await roll(client, topic)
        except (KafkaError, TimeoutError) as error:
            _log.warning("roll records not taken", error=type(error).__name__)
            await asyncio.sleep(retry)
        else:
            await asyncio.sleep(every)
