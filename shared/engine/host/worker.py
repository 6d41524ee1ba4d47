"""The process around a host: event loop, signals, logging; knows no service."""

from __future__ import annotations

import asyncio
import base64
import signal
import sys
from collections.abc import Callable
from typing import Any

import uvloop

from shared import collector
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import ALL_ON, Off
from shared.engine.host.kafka_host import HostSettings, KafkaHost
from shared.engine.host.settings import EngineSettings
from shared.engine.state.outgoing import Seal
from shared.telemetry.process import begin
from shared.telemetry.telemetry import Telemetry

NO_FAUST = """HUITOU_HOST=faust: faust-streaming is not installed in this environment. \
It has one of its own: `make .venv-faust/.runtime`, then start with .venv-faust/bin/python (docs/hosts.md)."""


def run_worker(make_fold: Callable[[int], Fold[Any]], settings: EngineSettings, *, off: Off = ALL_ON) -> None:
    """Run the fold on the chosen host until SIGTERM or SIGINT; `off`: rules that a test takes out."""
    telemetry = begin(make_fold(0).name.replace("_", "-"))
    collector.calm()
    sealer = settings.sealer()

    def seal(alias: str, field: str, raw: bytes) -> str:
        return base64.b64encode(sealer.seal_bytes(alias, field, raw)).decode()

    run_host(settings.host, make_fold, settings.host_settings(), seal=seal, off=off, telemetry=telemetry)


def run_host(
    kind: str,
    make_fold: Callable[[int], Fold[Any]],
    settings: HostSettings,
    *,
    seal: Seal,
    off: Off = ALL_ON,
    telemetry: Telemetry | None = None,
) -> None:
    """Run the fold on the host of this kind, `kafka` or `faust`, until SIGTERM or SIGINT."""
    if kind == "faust":
        try:
            from shared.engine.host.faust_host import FaustHost  # noqa: PLC0415 (only there where it is chosen)
        except ModuleNotFoundError as error:
            if error.name != "faust":
                raise
            raise SystemExit(NO_FAUST) from None
        FaustHost(make_fold, settings, seal=seal, off=off, telemetry=telemetry).run(sys.argv[1:])
    else:
        uvloop.run(run_until_told(KafkaHost(make_fold, settings, seal=seal, off=off, telemetry=telemetry)))


async def run_until_told(host: KafkaHost) -> None:
    """Run it until SIGTERM or SIGINT, which end it cleanly."""
    host.rounds.watch.health.watch_loop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, host.stop)
    await host.run()
