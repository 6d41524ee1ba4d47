"""Writes time into every partition, and beside it roll records. Knows ticks and partitions; not what falls due."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Final

from aiokafka.errors import KafkaError

from services.ingest.rolling import keep_rolling
from services.ingest.settings import ClockSettings
from shared import clock
from shared.contract.broadcasts import Tick
from shared.contract.codec import encode
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka.broadcast import Broadcast, Producer
from shared.kafka.clients import producer
from shared.log import Log
from shared.telemetry.telemetry import Telemetry

GRACE_MS: Final = 2_000
"""A tick says that everything before it has been accepted: longer than one retry of a produce request."""
EVERY_SECONDS: Final = 1.0
ACK_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.5
BROKER: Final = "broker"


async def tick(producer: Producer, as_of: int, *, scenario: bool) -> None:
    """One tick in each partition of customer-events-v1, all acknowledged on return: no key, no headers."""
    await Broadcast(CUSTOMER_EVENTS, encode(Tick(as_of=as_of, scenario=scenario))).over(producer)


async def run_clock(settings: ClockSettings, stop: asyncio.Event, telemetry: Telemetry | None = None) -> None:
    """A tick per second until `stop`; with the scenario setting none, for there time comes with the data."""
    log, telemetry = Log("clock"), telemetry or Telemetry()
    if settings.scenario:
        telemetry.health.there(BROKER)
        log.info("scenario: time comes with the data, no live ticks")
        await stop.wait()
        return
    while not stop.is_set():
        try:
            await _tick_on(settings.kafka, stop, telemetry)
        except (KafkaError, TimeoutError) as error:
            telemetry.health.waits(BROKER, "does not take ticks")
            log.warning("broker-away", error=type(error).__name__)
            await _pause(stop, RETRY_SECONDS)


async def serve(settings: ClockSettings, telemetry: Telemetry) -> None:
    """Run the clock until SIGTERM or SIGINT."""
    telemetry.health.watch_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_clock(settings, stop, telemetry)


async def _tick_on(bootstrap: str, stop: asyncio.Event, telemetry: Telemetry) -> None:
    """Ticks with one producer until it fails: late ticks, and those that a timeout repeats, are harmless."""
    client = producer(bootstrap)
    ticks = telemetry.meters.counter("huitou_clock_ticks_total")
    told = telemetry.meters.gauge("huitou_clock_timestamp_seconds")
    rolling: asyncio.Task[None] | None = None
    try:
        await client.start()
        rolling = asyncio.create_task(keep_rolling(client))
        while not stop.is_set():
            began, as_of = clock.monotonic(), clock.now_ms() - GRACE_MS
            async with asyncio.timeout(ACK_SECONDS):
                await tick(client, as_of, scenario=False)
            ticks.inc(CUSTOMER_EVENTS.partitions)
            told.set(as_of / 1000)
            telemetry.health.there(BROKER)
            await _pause(stop, EVERY_SECONDS - (clock.monotonic() - began))
    finally:
        if rolling is not None:
            rolling.cancel()
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(ACK_SECONDS):
                await client.stop()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()
