"""`shared.kafka.clients.Cluster` of one process over the simulated broker."""

from __future__ import annotations

import random

from aiokafka.structs import OffsetAndMetadata

from tests.support.simulated.broker import Broker
from tests.support.simulated.consumer import Consumer
from tests.support.simulated.loop import Process
from tests.support.simulated.member import Member
from tests.support.simulated.producer import Producer
from tests.support.simulated.wire import Strike, Wire


class SimulatedCluster:
    """Everything by chance comes from `rnd`."""

    def __init__(self, broker: Broker, process: Process, rnd: random.Random, strike: Strike) -> None:
        self._broker, self._rnd = broker, rnd
        self._wire = Wire(broker.loop, process, rnd, strike)
        self._most, self._room = rnd.choice((1, 2, 5, 12)), rnd.choice((1, 2, 4, 50))

    def producer(self) -> Producer:
        return Producer(self._broker, self._wire, room=self._room)

    def member(self, group: str, *, instance: str | None) -> Member:
        return Member(self._broker, self._wire, group, instance=instance, most=self._most)

    def reader(self) -> Consumer:
        return Consumer(self._broker, self._wire, most=self._most * 20)

    async def commits(self, group: str, topic: str) -> dict[int, OffsetAndMetadata]:
        return await self._wire.call(
            lambda: {p.partition: c for p, c in self._broker.group(group).committed.items() if p.topic == topic}
        )
