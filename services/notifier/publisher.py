"""Brings what waits in the database to Kafka; knows records, not what they say."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer

from services.notifier.facts import SOURCE
from services.notifier.meter import Meter
from services.notifier.store import Store
from shared.contract.codec import cloud_event

BATCH = 500


class Publisher:
    """At least once, in order: a record leaves the database only after the broker's ack, each time with the same id."""

    def __init__(self, store: Store, producer: AIOKafkaProducer, meter: Meter | None = None) -> None:
        self._store = store
        self._producer = producer
        self._meter = meter or Meter()

    async def turn(self) -> int:
        """Publish the oldest records; how many."""
        async with self._store.begin() as transaction:
            waiting = await transaction.waiting_publications(limit=BATCH)
            acks = [
                await self._producer.send(
                    each.topic,
                    key=each.key.encode(),
                    value=each.value,
                    partition=each.partition,
                    headers=cloud_event(each.tag, id=each.event_id, source=SOURCE, at=each.at),
                )
                for _, each in waiting
            ]
            await asyncio.gather(*acks)
            if waiting:
                await transaction.published([number for number, _ in waiting])
        self._meter.published(each for _, each in waiting)
        return len(waiting)
