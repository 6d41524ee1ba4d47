"""Drives one running stack from outside: ticks and lag over Kafka, events over HTTP, CPU seconds from /proc."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from deploy.demo.verdict import outbox_states
from services.ingest.clock_process import tick
from services.trigger_engine.publish import publish_policy
from shared import clock
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka import clients
from shared.kafka.broadcast import Producer
from shared.kafka.lag import LagReader, by_topic
from tests.bench.versus.readings import Reading, Readings
from tests.bench.versus.running import Running
from tests.bench.wire import Client

HOPS = ("profile", "segmenter", "trigger-engine")
LOOK_SECONDS = 0.05
CALM_SECONDS = 1.0
WITHIN = 300.0
PUBLISH_WITHIN = 30.0
NOTIFIER = "notifier"
SENDING = ("pending", "sending")
"""States of the outbox that the notifier still works on by itself."""
ALL_CPU, COMPILER_CPU = "CPU of all", "CPU of kafka's JIT threads"


class Drive:
    """One stack and the clients that the bench has on it."""

    def __init__(self, running: Running, producer: Producer, lag: LagReader, *, connections: int) -> None:
        self.running, self._producer, self.lag = running, producer, lag
        self.client = Client(running.ingest, running.write_key(), connections)
        self.now = 0
        """Scenario time of the latest tick, ms."""

    async def tick(self, as_of: int) -> None:
        """Logical time is `as_of` in every partition, acknowledged."""
        await tick(self._producer, as_of, scenario=True)
        self.now = as_of

    async def publish(self, policy: object) -> None:
        """Put the policy into force; TimeoutError where the broker does not take it."""
        async with asyncio.timeout(PUBLISH_WITHIN):
            await publish_policy(self.running.kafka, policy)

    async def behind(self, groups: Sequence[str]) -> int:
        """Records between commit and end, over all groups; a group without a commit counts one."""
        found = by_topic(await self.lag.read())
        return sum(sum(found[group].values()) if found.get(group) else 1 for group in groups)

    async def through(self, groups: Sequence[str], *, most: int = 0) -> None:
        """Return when all groups together are no more than `most` records behind.

        One reading tells: ends are read after commits, and a hop commits after its output.
        """
        deadline = clock.monotonic() + WITHIN
        while await self.behind(groups) > most:
            if clock.monotonic() > deadline:
                raise TimeoutError(f"{self.running.build.arm}: still behind after {WITHIN:.0f} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def at_rest(self, groups: Sequence[str], *, calm: float = CALM_SECONDS) -> None:
        """Return when nothing was behind and nothing new came for `calm` seconds, and the notifier, if asked for, has sent all."""
        deadline = clock.monotonic() + WITHIN
        since, size = clock.monotonic(), -1
        while clock.monotonic() - since < calm:
            if clock.monotonic() > deadline:
                raise TimeoutError(f"{self.running.build.arm}: no rest within {WITHIN:.0f} s")
            busy, end = await self.behind(groups), await self.lag.size(CUSTOMER_EVENTS.name)
            if busy or end != size or (NOTIFIER in groups and await self._sending()):
                since, size = clock.monotonic(), end
            await asyncio.sleep(0.2)

    async def _sending(self) -> bool:
        states = await outbox_states(self.running.database)
        return any(states.get(state) for state in SENDING)


@contextlib.asynccontextmanager
async def drive(running: Running, *, connections: int) -> AsyncIterator[Drive]:
    """With a producer and a reader of lags open."""
    producer = clients.producer(running.kafka)
    await producer.start()
    try:
        async with LagReader(running.kafka) as lag:
            yield Drive(running, producer, lag, connections=connections)
    finally:
        await producer.stop()


def cpu_readings(services: dict[str, float], compiler: float, *, events: int) -> Readings:
    """CPU seconds per 100,000 events, of all and of each; the broker's compiler threads stand apart."""
    unit, share = "s per 100,000 events", 1e5 / events
    found = {ALL_CPU: Reading(sum(services.values()) * share, unit)}
    for name, seconds in sorted(services.items(), key=lambda pair: -pair[1]):
        found[f"CPU of {name}"] = Reading(seconds * share, unit, whole=ALL_CPU)
    found[COMPILER_CPU] = Reading(compiler * share, unit, judged=False)
    return found
