"""Puts the console together and runs it: projector, lag watch and web server in one process; decides nothing."""

from __future__ import annotations

import asyncio
import signal

import uvicorn

from services.console.app import create_app
from services.console.consents import ConsentTable
from services.console.lag_watch import LagWatch
from services.console.letter_desk import Desk
from services.console.letter_sender import ReplaySender
from services.console.letters_api import Letters
from services.console.projector import GROUP, projector
from services.console.queries import Queries
from services.console.settings import ConsoleSettings
from services.console.store import Store, connect
from shared import clock
from shared.kafka.clients import group_consumer
from shared.log import Log
from shared.telemetry.telemetry import Telemetry

LOG = Log(__name__)
CONNECTIONS = 8
MOST_AT_ONCE = 200
"""Requests under way; beyond that browsers hear 503 and ask again."""
STOP_SECONDS = 3


async def run(settings: ConsoleSettings, telemetry: Telemetry) -> None:
    """Serve until SIGTERM or SIGINT. If a part fails, all end: whoever started the process starts it anew."""
    telemetry.health.watch_loop()
    engine = connect(settings.database_url, connections=CONNECTIONS)
    watch = LagWatch(settings.kafka)
    sender = ReplaySender(settings.kafka, settings.ingest_url, settings.ingest_key_file)
    desk = Desk(engine, settings.opener(), sender, now_ms=clock.now_ms)
    letters = Letters(engine, desk, settings.operators_file)
    readings = Queries(engine, clock.now_ms)
    consents, names = ConsentTable(engine), settings.names()
    app = create_app(readings, watch, settings.shop(), names=names, letters=letters, consents=consents)
    config = uvicorn.Config(
        app,
        host=settings.console_host,
        port=settings.console_port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    consumer = group_consumer(settings.kafka, GROUP, instance=settings.instance)
    rows = telemetry.meters.counter("huitou_projected_rows_total")
    tables = projector(consumer, Store(engine, rows), scenario=settings.scenario, telemetry=telemetry)
    stop, server = asyncio.Event(), uvicorn.Server(config)
    _listen(server, stop)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(tables.run(stop.is_set))
            group.create_task(watch.run(stop))
            group.create_task(_serve(server, stop))
    finally:
        await engine.dispose()
    LOG.info("console stopped")


def _listen(server: uvicorn.Server, stop: asyncio.Event) -> None:
    """The web server takes the signals while it serves and raises them again at its end: they must not kill us then."""

    def end() -> None:
        server.should_exit = True
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)


async def _serve(server: uvicorn.Server, stop: asyncio.Event) -> None:
    """When the web server ends, the others shall."""
    try:
        await server.serve()
    finally:
        stop.set()
