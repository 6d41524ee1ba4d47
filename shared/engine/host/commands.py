"""The command line that the stateful services share: run, or rebuild the state; knows no service."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from shared import log
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import ALL_ON, Off
from shared.engine.host.settings import EngineSettings
from shared.engine.host.worker import run_worker
from shared.engine.recovery.cluster import KafkaCluster
from shared.engine.recovery.rebuild import Rebuilder


def run_service(
    make_fold: Callable[[int], Fold[Any]], settings: EngineSettings, arguments: Sequence[str], *, off: Off = ALL_ON
) -> None:
    """Without arguments the worker until SIGTERM or SIGINT; `rebuild --from DIRECTORY [--verify]` ends with 1 on differences.

    `off`: rules that a test takes out of the worker.
    """
    if not arguments:
        run_worker(make_fold, settings, off=off)
        return
    parser = argparse.ArgumentParser(prog=f"python -m services.{make_fold(0).name}")
    rebuild = parser.add_subparsers(required=True).add_parser("rebuild", help="state anew from snapshot and tail")
    rebuild.add_argument("--from", dest="directory", type=Path, required=True, help="directory of the snapshots")
    rebuild.add_argument("--verify", action="store_true", help="compare with the changelog instead of writing it")
    given = parser.parse_args(arguments)
    log.setup()
    rebuilder = Rebuilder(make_fold, KafkaCluster(settings.kafka), given.directory, scenario=settings.scenario)
    if not given.verify:
        uvloop.run(rebuilder.write())
        return
    found = uvloop.run(rebuilder.verify())
    sys.stdout.writelines(f"{line}\n" for line in found)
    sys.exit(1 if found else 0)
