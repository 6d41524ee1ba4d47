"""The HTTP process: parts put together, served by uvicorn. Knows settings; no event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from services.ingest import declarations_api, unsubscribe_api
from services.ingest.app import create_app
from services.ingest.bodies import READ_SECONDS
from services.ingest.brake import ChainBrake
from services.ingest.declarations import Declarations
from services.ingest.gate import Gate
from services.ingest.hooks import api as hooks
from services.ingest.hooks.sources import HookSources
from services.ingest.identity_api import identity_routes
from services.ingest.imports.limits import MEGABYTE, Limits
from services.ingest.imports.routes import import_routes
from services.ingest.intake import Intake
from services.ingest.link_memory import LinkMemory
from services.ingest.protocol import patient
from services.ingest.publisher import KafkaPublisher
from services.ingest.seal_memory import SealMemory
from services.ingest.settings import HttpSettings
from services.ingest.write_keys import WriteKeys
from shared import clock, collector
from shared.sealing import Keyring
from shared.telemetry.telemetry import Telemetry

MOST_AT_ONCE: Final = 1_000
"""Requests under way; beyond that clients hear 503 at once."""
HEAD_SECONDS: Final = 10.0
"""For the head of a request; a connection that asks nothing is cut then, too."""
CUT_SECONDS: Final = READ_SECONDS + 10
"""For a part of a body, so that its sender hears 408 before; one that was answered early and goes on sending is cut then."""
STOP_SECONDS: Final = 8
"""For requests under way when the process is asked to stop."""


def create(settings: HttpSettings, telemetry: Telemetry) -> FastAPI:
    """The application with a real broker behind it."""
    publisher = KafkaPublisher(settings.kafka, sent=telemetry.meters.counter("huitou_output_records_total"))
    memory = SealMemory(clock.monotonic)
    links, keyring, desk = LinkMemory(clock.monotonic), Keyring.load(settings.keyring), settings.desk()
    intake = Intake(desk, keyring, publisher, memory, now_ms=clock.now_ms, links=links, scenario=settings.scenario)
    gate = Gate(WriteKeys.load(settings.write_keys_file), clock.monotonic, settings.limit())
    brake = None if settings.scenario else ChainBrake(settings.kafka, clock.monotonic, max_lag=settings.import_max_lag)
    declarations = Declarations(publisher, (lambda: None) if settings.scenario else clock.now_ms)
    sources = HookSources(settings.hooks_file, clock.monotonic)
    more = [
        hooks.routes(intake, sources, declarations, now_ms=clock.now_ms),
        declarations_api.routes(declarations, gate),
        import_routes(settings.imports, gate, clock.now_ms, Limits(upload=settings.imports_upload_mb * MEGABYTE)),
        identity_routes(desk.pepper, publisher, gate),
    ]
    if key := settings.unsubscribe_key():
        more.append(unsubscribe_api.routes(intake, key))
    running = _watched(publisher, telemetry)
    return create_app(intake, gate, running, terms=settings.terms(), brake=brake, more=more)


@asynccontextmanager
async def _watched(publisher: KafkaPublisher, telemetry: Telemetry) -> AsyncIterator[None]:
    """The publisher while it is connected; ready while the broker answers it."""
    telemetry.health.watch_loop()
    telemetry.health.ask("broker", publisher.ready)
    async with publisher:
        yield


def serve(settings: HttpSettings, telemetry: Telemetry) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    config = uvicorn.Config(
        create(settings, telemetry),
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http=patient(HEAD_SECONDS, CUT_SECONDS),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    collector.calm()
    uvicorn.Server(config).run()
