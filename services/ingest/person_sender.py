"""Writes erasures to the log from a command; knows a broker, decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from services.ingest.erasing import Erasure
from shared.contract.codec import encode, fact_headers
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka.clients import producer


async def erasures_sent(bootstrap: str, erasures: Iterable[Erasure]) -> None:
    """Return when every fact is acknowledged; KafkaError otherwise, and then the command may be given again."""
    client = producer(bootstrap)
    await client.start()
    try:
        acks = [
            await client.send(CUSTOMER_EVENTS.name, encode(fact), customer.encode(), headers=fact_headers(fact))
            for erasure in erasures
            for customer, fact in erasure.facts
        ]
        await asyncio.gather(*acks)
    finally:
        await client.stop()
