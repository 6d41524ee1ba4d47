"""`make bench`: figures of this machine, shown and written to .local/results/bench.json.

BENCH=in-process|chain|latency runs one part, EVENTS and SECONDS shorten chain and latency.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console

from deploy.bench import chain, in_process, latency
from deploy.bench.figures import Sheet, table
from deploy.bench.wire import RefusedError
from deploy.demo.verdict import write
from deploy.stack.stack import CACHE
from deploy.stack.supervisor import StartError
from services.trigger_engine.publish import read_policy_file
from shared.instants import parse_instant

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "services" / "trigger_engine" / "policies" / "default.yaml"
PARTS = ("in-process", "chain", "latency")
MORNING = parse_instant("2026-03-02T10:00:57+08:00")
"""Scenario time of the chain's run: outside quiet hours; an epoch of the cuts falls into it, as one does each minute."""


class Wish(msgspec.Struct, frozen=True):
    """What the environment asks for."""

    parts: tuple[str, ...]
    events: int
    seconds: float
    cache: Path


def wish(environment: Mapping[str, str]) -> Wish:
    """BENCH, EVENTS, SECONDS, HUITOU_CACHE; ValueError names what is wrong."""
    part = environment.get("BENCH", "")
    if part and part not in PARTS:
        raise ValueError(f"BENCH: {part!r} is unknown; there are {', '.join(PARTS)}")
    try:
        events, seconds = int(environment.get("EVENTS") or 60_000), float(environment.get("SECONDS") or 60)
    except ValueError as error:
        raise ValueError(f"EVENTS or SECONDS: {error}") from None
    if events < 2_000 or not 1 <= seconds <= 3_600:
        raise ValueError(f"EVENTS must be 2000 or more (is {events}), SECONDS 1 to 3600 (is {seconds:g})")
    return Wish((part,) if part else PARTS, events, seconds, Path(environment.get("HUITOU_CACHE") or CACHE))


async def run(asked: Wish, console: Console) -> Sheet:
    """The parts asked for, one after the other; each starts and stops a stack of its own."""
    sheet, policy, home = Sheet(), read_policy_file(POLICY), ROOT / ".local"

    def say(line: str) -> None:
        console.print(line)

    if "in-process" in asked.parts:
        await in_process.measure(sheet, events=asked.events, at=MORNING, policy=policy)
    if "chain" in asked.parts:
        place = {"directory": home / "bench-chain", "cache": asked.cache}
        await chain.measure(sheet, say, **place, events=asked.events, at=MORNING, policy=policy)
    if "latency" in asked.parts:
        place = {"directory": home / "bench-latency", "cache": asked.cache}
        await latency.measure(sheet, say, **place, seconds=asked.seconds, policy=awake(policy))
    return sheet


def awake(policy: dict[str, Any]) -> dict[str, Any]:
    """The policy without quiet hours: a message that waits for the morning says nothing about the chain."""
    return {key: value for key, value in policy.items() if key != "quiet_hours"}


def main() -> int:
    """0 when everything was measured."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # what matters it raises; a new topic's first leader it repeats
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    console.print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load average before the start {load}")
    try:
        sheet = uvloop.run(run(wish(os.environ), console))
    except (ValueError, StartError, TimeoutError, RefusedError, RuntimeError) as error:
        console.print(f"[red]bench: {error}[/red]")
        return 1
    except KeyboardInterrupt:
        return 130
    console.print(table(sheet))
    console.print(f"written: {write(sheet.figures, 'bench', ROOT).relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
