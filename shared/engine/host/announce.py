"""A request to every partition of the front: commands of the operator, told until each has acknowledged."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka.errors import KafkaError, KafkaTimeoutError

from shared import clock
from shared.contract.broadcasts import Checkpoint, ResyncRequested
from shared.contract.codec import encode
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka.clients import producer
from shared.log import Log

RETRY_SECONDS: Final = 1.0

REQUESTS: Final = {"resync": ResyncRequested, "checkpoint": Checkpoint}

_log = Log("announce")


async def announce(bootstrap: str, name: str) -> int:
    """Write a new request of this name into every partition; returns its number once all have acknowledged."""
    number = clock.now_ms()
    value, left = encode(REQUESTS[name](number)), set(range(CUSTOMER_EVENTS.partitions))
    while left:
        try:
            async with producer(bootstrap) as client:
                for partition in sorted(left):
                    await client.send_and_wait(CUSTOMER_EVENTS.name, value, partition=partition)
                    left.discard(partition)
        except KafkaError as error:
            if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                raise
            _log.warning(f"{name} not acknowledged yet", partitions=len(left), error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
    _log.info(f"{name} requested", number=number, partitions=CUSTOMER_EVENTS.partitions)
    return number
