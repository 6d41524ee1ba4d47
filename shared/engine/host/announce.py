"""A request to every partition of the front: commands of the operator, told until each has acknowledged."""

from __future__ import annotations

from typing import Final

from shared import clock
from shared.contract.broadcasts import Checkpoint, ResyncRequested
from shared.contract.codec import encode
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka.broadcast import Broadcast, until_acknowledged
from shared.log import Log

REQUESTS: Final = {"resync": ResyncRequested, "checkpoint": Checkpoint}

_log = Log("announce")


async def announce(bootstrap: str, name: str, *, within: float | None = None) -> int:
    """Write a new request of this name into every partition; returns its number once all have acknowledged.

    NobodyTookItError where none has after `within` seconds.
    """
    number = clock.now_ms()
    await until_acknowledged(
        bootstrap, Broadcast(CUSTOMER_EVENTS, encode(REQUESTS[name](number))), name=name, within=within
    )
    _log.info(f"{name} requested", number=number, partitions=CUSTOMER_EVENTS.partitions)
    return number
