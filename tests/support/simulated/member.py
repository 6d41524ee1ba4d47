"""A consumer in a group, as aiokafka's coordinator runs it: heartbeats, revoke before join, assignment after it, commits."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from tests.support.simulated.broker import Broker
from tests.support.simulated.consumer import Consumer
from tests.support.simulated.group import Joined
from tests.support.simulated.wire import Wire

HEARTBEAT = 3.0
RETRY = 0.1
"""Seconds, as `shared.kafka.clients` and aiokafka set them."""


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """An exception in a listener is logged and forgotten."""
    try:
        yield
    except Exception:  # noqa: BLE001
        traceback.print_exc()


class Member(Consumer):
    """A static instance id only keeps the membership at a graceful stop."""

    def __init__(self, broker: Broker, wire: Wire, group: str, *, instance: str | None, most: int) -> None:
        super().__init__(broker, wire, most=most)
        self._group, self._instance = broker.group(group), instance
        self._name, self._generation = "", -1
        self._assigned = asyncio.Event()
        self._rejoin, self._joining, self._closing = asyncio.Event(), False, False

    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None:
        self._topics, self._listener = topics, listener

    async def start(self) -> None:
        """Returns once partitions are assigned; the listener hears of them a moment later."""
        self._rejoin.set()
        create = self._wire.loop.create_task
        self._membership, self._heart = create(self._coordinate()), create(self._beat())
        await self._assigned.wait()

    async def stop(self) -> None:
        """A rebalance that has begun is gone through first; then the member leaves."""
        self._closing = True
        self._rejoin.set()
        await self._membership
        self._heart.cancel()
        await super().stop()
        if self._instance is None:
            await self._wire.call(lambda: self._group.leave(self._name))

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        """CommitFailedError where the group has moved on, as aiokafka translates it."""
        for place in offsets:
            if place not in self._places:
                raise IllegalStateError(f"Partition {place} is not assigned")
        taken = {place: OffsetAndMetadata(*what) for place, what in offsets.items()}
        name, generation = self._name, self._generation
        error = await self._wire.call(lambda: self._group.commit(name, generation, taken))
        if error:
            self._heed(error)
            raise CommitFailedError from error

    def known(self) -> bool:
        """Whether the group still counts this member in."""
        return not self._name or self._group.knows(self._name)

    # --- membership

    async def _coordinate(self) -> None:
        while True:
            await self._rejoin.wait()
            if self._closing:
                return
            self._assigned.clear()
            with _logged():
                await self._listener.on_partitions_revoked(set(self._places))
            self._joining = True  # heartbeats went on until here
            while isinstance(joined := await self._join(), KafkaError):
                self._heed(joined)
                await asyncio.sleep(RETRY)
            if not self._closing:
                self._rejoin.clear()
            self._joining = False
            self._name, self._generation = joined.member, joined.generation
            self.assign(joined.assigned)
            self._assigned.set()
            for _ in range(self._wire.rnd.randrange(3)):  # a fetch may come before the listener pauses
                await asyncio.sleep(0)
            with _logged():
                await self._listener.on_partitions_assigned(set(joined.assigned))

    async def _join(self) -> Joined | KafkaError:
        places = [TopicPartition(topic, number) for topic in self._topics for number in self._broker.topics[topic]]
        waiting = await self._wire.call(lambda: self._group.join(self._name, places), quiet=True)
        answer = await waiting
        await asyncio.sleep(self._wire.delay())
        return answer

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            name, generation = self._name, self._generation
            if not name or self._joining:
                continue
            error = await self._wire.call(partial(self._group.heartbeat, name, generation), quiet=True)
            if error and generation == self._generation:
                self._heed(error)

    def _heed(self, error: KafkaError) -> None:
        if isinstance(error, UnknownMemberIdError | IllegalGenerationError):
            self._name, self._generation = "", -1
        if isinstance(error, UnknownMemberIdError | IllegalGenerationError | RebalanceInProgressError):
            self._rejoin.set()

    async def _ready(self) -> None:
        await self._assigned.wait()

    def _first(self, place: TopicPartition) -> int:
        committed = self._group.committed.get(place)
        return committed.offset if committed else 0
