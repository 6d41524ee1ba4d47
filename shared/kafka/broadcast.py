"""One record into every partition of a topic, as a rule without a key: ticks, cuts, policies, declarations, requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol, final

from aiokafka.errors import KafkaError, KafkaTimeoutError

from shared import clock
from shared.kafka.clients import producer
from shared.log import Log

RETRY_SECONDS: Final = 1.0
"""Pause before the next attempt."""
COMMAND_SECONDS: Final = 30.0
"""How long a command waits for a broker that takes nothing."""

_log = Log("broadcast")


class Topic(Protocol):
    """The part of a topic that a broadcast needs; a row of the topic table has this shape."""

    @property
    def name(self) -> str:
        """Its name on the broker."""

    @property
    def partitions(self) -> int:
        """Its number of partitions."""


class Producer(Protocol):
    """The part of aiokafka's producer that a broadcast needs."""

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> Awaitable[object]:
        """Hand a record over; the result is done once the broker has it."""


@final
class Broadcast:
    """A record on its way into every partition; `left` holds the partitions that have not acknowledged it."""

    def __init__(
        self,
        topic: Topic,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        *,
        key: bytes | None = None,
    ) -> None:
        self._topic, self._value, self.headers, self._key = topic.name, value, headers, key
        self.left = set(range(topic.partitions))

    async def over(self, client: Producer) -> None:
        """Hand the record to `client`, once for each partition left; return when all have acknowledged.

        Raises the first refusal after every partition has answered; the same call then goes on with those left.
        """
        acks: dict[int, Awaitable[object]] = {}
        refusals: list[BaseException] = []
        try:
            for partition in sorted(self.left):
                ack = await client.send(self._topic, self._value, self._key, partition=partition, headers=self.headers)
                acks[partition] = ack
        except KafkaError as error:
            refusals.append(error)
        answers = await asyncio.gather(*acks.values(), return_exceptions=True)
        for partition, answer in zip(acks, answers, strict=True):
            if isinstance(answer, BaseException):
                refusals.append(answer)
            else:
                self.left.discard(partition)
        if refusals:
            raise refusals[0]


class NobodyTookItError(RuntimeError):
    """No partition has taken a record in the time that was given: nothing is written."""


async def until_acknowledged(
    bootstrap: str, broadcast: Broadcast, *, name: str, stop: asyncio.Event | None = None, within: float | None = None
) -> None:
    """Write the record until every partition has acknowledged it, or until `stop`; `name` is its name in the log.

    Each attempt has a producer of its own. Raises a KafkaError that no further attempt can mend, and NobodyTookItError
    where after `within` seconds no partition has it. A record that one partition has is written until all have it.
    """
    stop, began, wanted = stop or asyncio.Event(), clock.monotonic(), len(broadcast.left)
    while broadcast.left and not stop.is_set():
        try:
            await _attempt(bootstrap, broadcast)
        except KafkaError as error:
            if not (error.retriable or isinstance(error, KafkaTimeoutError)):
                raise
            _log.warning(f"{name} not acknowledged yet", partitions=sorted(broadcast.left), error=type(error).__name__)
            if within is not None and len(broadcast.left) == wanted and clock.monotonic() - began >= within:
                told = f"{name}: the broker at {bootstrap} has not taken it within {within:.0f} s, nothing is written"
                raise NobodyTookItError(f"{told} ({type(error).__name__}); does it run?") from error
            await _pause(stop)


async def _attempt(bootstrap: str, broadcast: Broadcast) -> None:
    client = producer(bootstrap)
    try:
        await client.start()
        await broadcast.over(client)
    finally:
        await client.stop()


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(RETRY_SECONDS):
            await stop.wait()
    except TimeoutError:
        return
