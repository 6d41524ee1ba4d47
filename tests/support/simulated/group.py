"""The coordinator of one consumer group: sessions, generations, eager rebalances, commits."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import IllegalGenerationError, KafkaError, RebalanceInProgressError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata

from tests.support.simulated.loop import VirtualLoop

SESSION = 10.0
REBALANCE = 60.0
"""Seconds, as `shared.kafka.clients` sets them."""


class Joined(msgspec.Struct, frozen=True):
    """The answer to a join once everybody is there."""

    member: str
    generation: int
    assigned: tuple[TopicPartition, ...]


Join: TypeAlias = "asyncio.Future[Joined | KafkaError]"


class _Member(msgspec.Struct):
    session: asyncio.TimerHandle
    join: Join | None = None
    places: tuple[TopicPartition, ...] = ()


class Group:
    def __init__(self, loop: VirtualLoop) -> None:
        self.committed: dict[TopicPartition, OffsetAndMetadata] = {}
        self.generation = 0
        self._loop = loop
        self._members: dict[str, _Member] = {}
        self._names = 0
        self._rebalancing = False
        self._deadline: asyncio.TimerHandle | None = None

    def join(self, name: str, places: Sequence[TopicPartition]) -> Join:
        """`places`: all that the group shares. An empty name asks for a new one."""
        answer: Join = self._loop.create_future()
        if name and name not in self._members:
            answer.set_result(UnknownMemberIdError())
            return answer
        if not name:
            self._names += 1
            name = f"member-{self._names}"
            self._members[name] = _Member(self._later(SESSION, name))
        self._members[name].join, self._members[name].places = answer, tuple(places)
        self._members[name].session.cancel()
        self._rebalance()
        return answer

    def leave(self, name: str) -> None:
        if member := self._members.pop(name, None):
            member.session.cancel()
            self._rebalance()

    def knows(self, name: str) -> bool:
        return name in self._members

    def heartbeat(self, name: str, generation: int) -> KafkaError | None:
        refused = self._refused(name, generation)
        return refused or (RebalanceInProgressError() if self._rebalancing else None)

    def commit(self, name: str, generation: int, offsets: dict[TopicPartition, OffsetAndMetadata]) -> KafkaError | None:
        """Members of the current generation may commit, until the next one begins."""
        refused = self._refused(name, generation)
        if refused is None:
            self.committed |= offsets
        return refused

    def _refused(self, name: str, generation: int) -> KafkaError | None:
        if name not in self._members:
            return UnknownMemberIdError()
        if generation != self.generation:
            return IllegalGenerationError()
        member = self._members[name]
        if member.join is None:
            member.session.cancel()
            member.session = self._later(SESSION, name)
        return None

    def _later(self, delay: float, name: str) -> asyncio.TimerHandle:
        return self._loop.call_later(delay, self.leave, name, context=contextvars.Context())

    def _rebalance(self) -> None:
        """Everybody has to join again; those who do not in time are out."""
        if not self._rebalancing and self._members:
            self._rebalancing = True
            self._deadline = self._loop.call_later(REBALANCE, self._expel, context=contextvars.Context())
        if all(member.join for member in self._members.values()):
            self._complete()

    def _expel(self) -> None:
        for name in [name for name, member in self._members.items() if member.join is None]:
            self._members.pop(name).session.cancel()
        self._complete()

    def _complete(self) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._rebalancing = False
        self.generation += 1
        for number, (name, member) in enumerate(sorted(self._members.items())):
            share = member.places[number :: len(self._members)]
            member.session = self._later(SESSION, name)
            if member.join and not member.join.done():
                member.join.set_result(Joined(name, self.generation, share))
            member.join = None
