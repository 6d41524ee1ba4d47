"""The scenario and the lag reader while brokers come and go: they ask again instead of failing; decide nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiokafka.errors import KafkaError

from deploy.demo.scenario import Scenario
from shared.contract.topics import CUSTOMER_EVENTS, OUTREACH_COMMANDS, PROFILE_UPDATES, SEGMENT_UPDATES
from shared.kafka import clients
from shared.kafka.lag import LagReader, PartitionLag

ANSWER_SECONDS = 10.0
PAUSE_SECONDS = 0.3
INPUTS: Final = {
    "profile": (CUSTOMER_EVENTS.name,),
    "segmenter": (PROFILE_UPDATES.name,),
    "trigger-engine": (SEGMENT_UPDATES.name,),
    "notifier": (OUTREACH_COMMANDS.name,),
}
"""A service that was killed before its first commit is behind, not at rest."""
T = TypeVar("T")


class PatientLag(LagReader):
    """As LagReader, one question at a time, with new connections whenever the old ones gave no answer."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap, inputs=INPUTS)
        self._bootstrap, self._turn = bootstrap, asyncio.Lock()

    async def read(self) -> dict[str, list[PartitionLag]]:
        """As LagReader."""
        return await self._again(super().read)

    async def size(self, topic: str) -> int:
        """As LagReader."""
        ask = super().size
        return await self._again(lambda: ask(topic))

    async def _again(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self._turn:
            while True:
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        return await ask()
                except (KafkaError, TimeoutError):
                    await asyncio.sleep(PAUSE_SECONDS)
                    await self._renew()

    async def _renew(self) -> None:
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.__aexit__(None, None, None)
        while True:
            super().__init__(self._bootstrap, inputs=INPUTS)
            try:
                await self.__aenter__()
            except KafkaError:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return


class PatientScenario(Scenario):
    """As Scenario; a tick that the broker did not take is sent again by a new producer: ticks may be repeated."""

    _lag_reader = PatientLag

    async def tick(self, as_of: int) -> None:
        """As Scenario."""
        while True:
            try:
                await super().tick(as_of)
            except KafkaError as error:
                self.retries[type(error).__name__] += 1
                await self._new_producer()
            else:
                return

    async def _new_producer(self) -> None:
        with contextlib.suppress(KafkaError):
            await self._producer.stop()
        while True:
            self._producer = clients.producer(self.stack.kafka)
            try:
                await self._producer.start()
            except KafkaError:
                await self._producer.stop()
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return
