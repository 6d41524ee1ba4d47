"""The process around a host: event loop, signals, logging; knows no service."""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import Callable
from typing import Any

import uvloop

from shared import collector, log
from shared.settings import EngineSettings
from shared.streams.fold import Fold
from shared.streams.kafka_host import KafkaHost


def run_worker(make_fold: Callable[[int], Fold[Any]], settings: EngineSettings) -> None:
    """Run the fold on the Kafka host until SIGTERM or SIGINT."""
    log.setup()
    collector.calm()
    uvloop.run(_run(make_fold, settings))


async def _run(make_fold: Callable[[int], Fold[Any]], settings: EngineSettings) -> None:
    sealer = settings.sealer()

    def seal(alias: str, field: str, raw: bytes) -> str:
        return base64.b64encode(sealer.seal_bytes(alias, field, raw)).decode()

    host = KafkaHost(make_fold, settings.host(), seal=seal)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, host.stop)
    await host.run()
