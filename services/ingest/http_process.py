"""The HTTP process: parts put together, served by uvicorn on the loopback address. Knows settings; no event."""

from __future__ import annotations

from typing import Final

import uvicorn
from fastapi import FastAPI

from services.ingest import declarations_api
from services.ingest.app import create_app
from services.ingest.declarations import Declarations
from services.ingest.gate import Gate
from services.ingest.hooks import api as hooks
from services.ingest.hooks.sources import HookSources
from services.ingest.identity_api import identity_routes
from services.ingest.intake import Intake
from services.ingest.link_memory import LinkMemory
from services.ingest.publisher import KafkaPublisher
from services.ingest.seal_memory import SealMemory
from services.ingest.settings import HttpSettings
from services.ingest.write_keys import WriteKeys
from shared import clock, collector
from shared.sealing import Keyring

HOST: Final = "127.0.0.1"
MOST_AT_ONCE: Final = 1_000
"""Requests under way; beyond that clients hear 503 at once."""
STOP_SECONDS: Final = 8
"""For requests under way when the process is asked to stop."""


def create(settings: HttpSettings) -> FastAPI:
    """The application with a real broker behind it."""
    publisher = KafkaPublisher(settings.kafka)
    memory = SealMemory(clock.monotonic)
    links, keyring, desk = LinkMemory(clock.monotonic), Keyring.load(settings.keyring), settings.desk()
    intake = Intake(desk, keyring, publisher, memory, now_ms=clock.now_ms, links=links)
    gate = Gate(WriteKeys.load(settings.write_keys_file), clock.monotonic)
    declarations = Declarations(publisher, (lambda: None) if settings.scenario else clock.now_ms)
    sources = HookSources(settings.hooks_file, clock.monotonic)
    more = [
        hooks.routes(intake, sources, declarations, now_ms=clock.now_ms),
        declarations_api.routes(declarations, gate),
        identity_routes(desk.pepper, publisher, gate),
    ]
    return create_app(intake, gate, publisher, more=more)


def serve(settings: HttpSettings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    config = uvicorn.Config(
        create(settings),
        host=HOST,
        port=settings.http_port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    collector.calm()
    uvicorn.Server(config).run()
