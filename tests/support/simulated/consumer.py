"""The slice of AIOKafkaConsumer that the host uses, without a group: places, positions, pauses, fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError

from tests.support.simulated.broker import Broker, Kept
from tests.support.simulated.wire import Wire

IDLE = 1.0
"""Seconds that a fetch waits for records at least, as on a slow machine: an idle worker costs few turns."""


class Place(msgspec.Struct):
    """What a consumer knows of one partition it was given."""

    position: int | None = None
    paused: bool = False


class Consumer:
    def __init__(self, broker: Broker, wire: Wire, *, most: int) -> None:
        """`most`: records of one partition in one fetch."""
        self._broker, self._wire, self._most = broker, wire, most
        self._places: dict[TopicPartition, Place] = {}
        self._stopped = False

    async def start(self) -> None:
        self._wire.process.check()

    async def stop(self) -> None:
        self._stopped = True

    # --- places

    def assign(self, places: Collection[TopicPartition]) -> None:
        self._places = {place: Place() for place in places}

    def assignment(self) -> set[TopicPartition]:
        return set(self._places)

    def pause(self, *places: TopicPartition) -> None:
        for place in places:
            self._at(place).paused = True

    def resume(self, *places: TopicPartition) -> None:
        for place in places:
            self._at(place).paused = False

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._at(place).position = offset

    async def seek_to_beginning(self, *places: TopicPartition) -> None:
        for place in places:
            self.seek(place, 0)

    async def position(self, place: TopicPartition) -> int:
        at = self._at(place)
        if at.position is None:
            at.position = self._first(place)
        return at.position

    def _at(self, place: TopicPartition) -> Place:
        if place not in self._places:
            raise IllegalStateError(f"No current assignment for partition {place}")
        return self._places[place]

    def _first(self, place: TopicPartition) -> int:
        """Where a place begins that nobody has sought: auto_offset_reset=earliest."""
        return 0

    # --- offsets

    async def beginning_offsets(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._wire.call(lambda: {place: len(self._broker.log(place)) for place in places})

    # --- fetch

    async def getmany(self, *, timeout_ms: int = 0, max_records: int | None = None) -> dict[TopicPartition, list[Kept]]:
        """What is there, of some places a part; waits if nothing is."""
        give_up = self._wire.loop.time() + max(timeout_ms / 1000, IDLE)
        while True:
            await self._ready()
            self._wire.process.check()
            if self._stopped:
                raise ConsumerStoppedError
            fetched = self._fetch(max_records or self._most)
            left = give_up - self._wire.loop.time()
            if fetched or left <= 0:
                return fetched
            await asyncio.wait([self._broker.grown()], timeout=left)
            await asyncio.sleep(self._wire.delay())

    async def _ready(self) -> None:
        """A member waits here while its group rebalances."""

    def _fetch(self, most: int) -> dict[TopicPartition, list[Kept]]:
        fetched = {}
        for place, at in self._places.items():
            if at.paused or most <= 0:
                continue
            if at.position is None:
                at.position = self._first(place)
            count = min(most, self._wire.rnd.randint(1, self._most))
            records = self._broker.log(place)[at.position : at.position + count]
            if records:
                fetched[place] = records
                at.position += len(records)
                most -= len(records)
        return fetched
