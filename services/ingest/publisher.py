"""Hands records to Kafka and returns when all are acknowledged, or says in time that it cannot. Knows no event."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.ingest.gatherer import Gatherer
from shared.engine.fold.batch import Emit
from shared.engine.recovery.cluster import KafkaSink
from shared.engine.recovery.counted_sink import CountedSink
from shared.kafka.broadcast import Broadcast
from shared.kafka.clients import producer
from shared.log import Log
from shared.telemetry.meters import UNSEEN, Counter

LINGER_MS: Final = 4
ACK_SECONDS: Final = 4.0
PROBE_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5


class BrokerAwayError(Exception):
    """Not every record was acknowledged; some may be. The same request may be sent again: ids make it harmless."""


class Publisher(Protocol):
    """Where accepted records go."""

    async def publish(self, records: Sequence[Emit]) -> None:
        """Return when the broker has all of them; BrokerAwayError otherwise, within a few seconds."""

    async def ready(self) -> bool:
        """Whether the broker answers."""


class KafkaPublisher:
    """One idempotent producer for all requests; `async with` keeps it connected, and renews it when it broke."""

    def __init__(self, bootstrap: str, *, ack_seconds: float = ACK_SECONDS, sent: Counter | None = None) -> None:
        """`sent` counts what the broker has, by topic."""
        self._sent = sent or UNSEEN.counter("huitou_output_records_total")
        self._bootstrap, self._ack_seconds = bootstrap, ack_seconds
        self._producer: AIOKafkaProducer | None = None
        self._gatherer: Gatherer | None = None
        self._connected, self._broken = asyncio.Event(), asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._log, self._failing = Log("ingest"), False

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep_connected(), name="keep the producer connected")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._close()

    async def publish(self, records: Sequence[Emit]) -> None:
        """See `Publisher`."""
        await self._acknowledged(lambda: self._send(records))

    async def broadcast(self, record: Broadcast) -> None:
        """Write it into every partition, as `publish`; where it failed, some partitions may have it."""
        await self._acknowledged(lambda: self._send_everywhere(record))

    async def _acknowledged(self, send: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(self._ack_seconds):
                await self._connected.wait()
                await send()
        except TimeoutError:
            self._note(f"no acknowledgement within {self._ack_seconds:g} s")
            raise BrokerAwayError("no acknowledgement in time") from None
        except KafkaError as error:
            # A producer that failed once may have a gap in its sequence numbers and would fail for ever.
            self._broken.set()
            self._note(type(error).__name__)
            raise BrokerAwayError(type(error).__name__) from None
        self._note("")

    async def ready(self) -> bool:
        """See `Publisher`."""
        if self._producer is None or not self._connected.is_set():
            return False
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError):
            return False
        return True

    def _note(self, failure: str) -> None:
        """A log line when it begins to fail, and when that is over."""
        if bool(failure) != self._failing:
            self._failing = bool(failure)
            if failure:
                self._log.warning("publish-failing", reason=failure)
            else:
                self._log.info("publish-works")

    def _count(self, topic: str, records: Sequence[Emit]) -> None:
        self._sent.labels(topic).inc(len(records))

    async def _send(self, records: Sequence[Emit]) -> None:
        gatherer = self._gatherer
        assert gatherer is not None
        await gatherer.publish(records)

    async def _send_everywhere(self, record: Broadcast) -> None:
        client = self._producer
        assert client is not None
        await record.over(client)

    async def _keep_connected(self) -> None:
        while True:
            self._broken.clear()
            fresh = producer(self._bootstrap, linger_ms=LINGER_MS)
            try:
                await fresh.start()
            except KafkaError as error:
                self._log.warning("broker-away", error=type(error).__name__)
                await fresh.stop()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._producer, self._gatherer = fresh, Gatherer(CountedSink(KafkaSink(fresh), self._count))
            self._connected.set()
            self._log.info("broker-connected")
            await self._broken.wait()
            self._log.warning("producer-renewed")
            await self._close()

    async def _close(self) -> None:
        self._connected.clear()
        closing, self._producer = self._producer, None
        gatherer, self._gatherer = self._gatherer, None
        if gatherer is not None:
            await gatherer.close()
        if closing is not None:
            with contextlib.suppress(TimeoutError, KafkaError):
                async with asyncio.timeout(self._ack_seconds):
                    await closing.stop()
