"""`make bench`: figures of this machine, shown and written to .local/results/bench.json.

BENCH=NAME runs one part (in-process, intake, peers, chain, latency, import, due, restart, scale-out); figures of the others stay as they were.
BENCH=versus BASE=COMMIT compares this tree with another commit (tests/bench/versus).
EVENTS shortens intake, peers, chain and scale-out, SECONDS intake, latency and import, CUSTOMERS due and restart.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console

from deploy.demo.verdict import write
from deploy.stack.stack import CACHE
from deploy.stack.supervisor import StartError
from shared.instants import parse_instant
from shared.language.policy_file import read_policy_file
from tests.bench import beside_import, chain, due, in_process, intake, latency, report, restart, scale_out
from tests.bench.figures import Sheet, table
from tests.bench.peers import contest
from tests.bench.versus import run as versus
from tests.bench.versus.asked import asked
from tests.bench.versus.builds import BuildError
from tests.bench.wire import RefusedError

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "services" / "trigger_engine" / "policies" / "default.yaml"
MORNING = parse_instant("2026-03-02T10:00:57+08:00")
"""Scenario time of the chain's run: outside quiet hours; an epoch of the cuts falls into it, as one does each minute."""


class Wish(msgspec.Struct, frozen=True):
    """What the environment asks for; None leaves a part its own size."""

    parts: tuple[str, ...]
    events: int | None
    seconds: float
    customers: int | None
    cache: Path


class Bench(msgspec.Struct, frozen=True):
    """What every part is given."""

    sheet: Sheet
    say: Callable[[str], None]
    wish: Wish
    policy: dict[str, Any]

    def home(self, part: str) -> Path:
        """Where a part's stack keeps its data."""
        return ROOT / ".local" / f"bench-{part}"


async def _in_process(bench: Bench) -> None:
    bench.sheet.add_load("in-process", "before")
    await in_process.measure(bench.sheet, events=bench.wish.events or 60_000, at=MORNING, policy=bench.policy)
    bench.sheet.add_load("in-process", "after")


async def _intake(bench: Bench) -> None:
    place, events = bench.home("intake"), bench.wish.events or 60_000
    await intake.measure(
        bench.sheet, bench.say, directory=place, cache=bench.wish.cache, events=events, seconds=bench.wish.seconds
    )


async def _peers(bench: Bench) -> None:
    await contest.measure(
        bench.sheet,
        bench.say,
        directory=bench.home("peers"),
        home=ROOT / ".local" / "peers",
        cache=bench.wish.cache,
        events=bench.wish.events or 300_000,
    )


async def _chain(bench: Bench) -> None:
    for projector in (False, True):
        await chain.measure(
            bench.sheet,
            bench.say,
            directory=bench.home("chain"),
            cache=bench.wish.cache,
            events=bench.wish.events or 60_000,
            at=MORNING,
            policy=bench.policy,
            projector=projector,
        )


async def _latency(bench: Bench) -> None:
    place, cache, policy = bench.home("latency"), bench.wish.cache, awake(bench.policy)
    await latency.measure(
        bench.sheet, bench.say, directory=place, cache=cache, seconds=bench.wish.seconds, policy=policy
    )


async def _import(bench: Bench) -> None:
    place, cache, policy = bench.home("import"), bench.wish.cache, awake(bench.policy)
    await beside_import.measure(
        bench.sheet, bench.say, directory=place, cache=cache, seconds=bench.wish.seconds, policy=policy
    )


async def _due(bench: Bench) -> None:
    place, customers = bench.home("due"), min(bench.wish.customers or 100_000, 100_000)
    await due.measure(
        bench.sheet, bench.say, directory=place, cache=bench.wish.cache, customers=customers, policy=bench.policy
    )


async def _restart(bench: Bench) -> None:
    await restart.measure(
        bench.sheet,
        bench.say,
        directory=bench.home("restart"),
        cache=bench.wish.cache,
        customers=bench.wish.customers or 1_000_000,
        at=MORNING,
        policy=bench.policy,
    )


async def _scale_out(bench: Bench) -> None:
    place, events = bench.home("scale-out"), bench.wish.events or 300_000
    await scale_out.measure(bench.sheet, bench.say, directory=place, cache=bench.wish.cache, events=events)


PARTS: Mapping[str, Callable[[Bench], Awaitable[None]]] = {
    "in-process": _in_process,
    "intake": _intake,
    "peers": _peers,
    "chain": _chain,
    "latency": _latency,
    "import": _import,
    "due": _due,
    "restart": _restart,
    "scale-out": _scale_out,
}
"""In the order in which they run; each starts and stops a stack of its own."""
VERSUS = "versus"
"""Not one of them: it compares two builds and needs BASE."""


def wish(environment: Mapping[str, str]) -> Wish:
    """BENCH, EVENTS, SECONDS, CUSTOMERS, HUITOU_CACHE; ValueError names what is wrong."""
    part = environment.get("BENCH", "")
    if part and part not in PARTS:
        raise ValueError(f"BENCH: {part!r} is unknown; there are {', '.join((*PARTS, VERSUS))}")
    events, customers = (
        _number(environment, name, least) for name, least in (("EVENTS", 2_000), ("CUSTOMERS", 10_000))
    )
    try:
        seconds = float(environment.get("SECONDS") or 60)
    except ValueError as error:
        raise ValueError(f"SECONDS: {error}") from None
    if not 1 <= seconds <= 3_600:
        raise ValueError(f"SECONDS must be 1 to 3600 (is {seconds:g})")
    cache = Path(environment.get("HUITOU_CACHE") or CACHE)
    return Wish((part,) if part else tuple(PARTS), events, seconds, customers, cache)


def _number(environment: Mapping[str, str], name: str, least: int) -> int | None:
    said = environment.get(name)
    if not said:
        return None
    try:
        number = int(said)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if number < least:
        raise ValueError(f"{name} must be {least} or more (is {number})")
    return number


async def run(asked: Wish, sheet: Sheet, say: Callable[[str], None]) -> None:
    """The parts asked for, one after the other; each is written when it is whole, so that a later one that fails takes nothing along."""
    bench, before = Bench(sheet, say, asked, read_policy_file(POLICY)), report.read(report.RESULTS)
    for part in asked.parts:
        await PARTS[part](bench)
        written = write(report.merged(before, sheet.figures), "bench", ROOT)
        say(f"{part}: written to {written.relative_to(ROOT)}")


def awake(policy: dict[str, Any]) -> dict[str, Any]:
    """The policy without quiet hours: a message that waits for the morning says nothing about the chain."""
    return {key: value for key, value in policy.items() if key != "quiet_hours"}


async def _versus(console: Console) -> int:
    """1 if a figure of this tree is slower than that of the other build."""
    policy = awake(read_policy_file(POLICY))
    parts = await versus.run(asked(os.environ), console, policy=policy, at=MORNING)
    return int(any(part.slower for part in parts))


def main() -> int:
    """0 when everything was measured."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # what matters it raises; a new topic's first leader it repeats
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    console.print(f"{os.cpu_count()} cores, Python {platform.python_version()}, load average before the start {load}")
    sheet = Sheet()
    try:
        if os.environ.get("BENCH") == VERSUS:
            return uvloop.run(_versus(console))
        uvloop.run(run(wish(os.environ), sheet, console.print))
    except (BuildError, ValueError, StartError, TimeoutError, RefusedError, RuntimeError) as error:
        console.print(table(sheet))
        console.print(f"[red]bench: {error}[/red]")
        return 1
    except KeyboardInterrupt:
        return 130
    console.print(table(sheet))
    return 0


if __name__ == "__main__":
    sys.exit(main())
