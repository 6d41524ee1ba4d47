"""How long a restart takes, and what memory and a step cost, as the population grows: real processes on compacted changelogs."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from deploy.create_topics import create
from deploy.stack.plan import chosen
from deploy.stack.stack import Stack, emptied
from deploy.stack.supervisor import Service as Process
from shared import clock
from shared.kafka.lag import LagReader
from tests.bench import cpu, plot, population
from tests.bench.chain import Say
from tests.bench.figures import Sheet
from tests.bench.in_process import MeasuredHop
from tests.bench.log import Writer
from tests.bench.population import MODELS, Service

ROOT = Path(__file__).parents[2]
SIZES = (10_000, 100_000, 1_000_000)
TAIL = 12_000
"""Events that came while the service was away."""
WITHIN = 300.0
LOOK_SECONDS = 0.05
REST_SECONDS = 1.0
RECOVERED = b'"event": "recovered"'


class Back(msgspec.Struct, frozen=True):
    """One restart."""

    recovered: float
    """Seconds from the start of the process until every partition was whole."""
    caught_up: float
    """Seconds until the tail was committed too."""
    peak: int
    """Most resident bytes on the way."""
    rest: int
    """Resident bytes a second later."""


async def measure(
    sheet: Sheet, say: Say, *, directory: Path, cache: Path, customers: int, at: int, policy: dict[str, Any]
) -> None:
    """All sizes up to `customers`, each on a fresh broker; the smallest population is what memory is counted from."""
    services = await population.services(at=at, tail=TAIL, policy=policy)
    sheet.add_load("restart", "before")
    empty: dict[str, Back] = {}
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    sizes = [size for size in SIZES if size <= customers]
    for size in (MODELS, *sizes):
        keys = population.keys(size - MODELS)
        backs = await _restarts(services, keys, directory=directory, cache=cache)
        for service in services:
            back = backs[service.name]
            say(f"restart: {service.name}, {size:,} customers: {back}")
            base = empty.setdefault(service.name, back)
            if size == MODELS:
                continue
            _report(sheet, f"restart: {service.name}, {size:,} customers", back, base, size)
            cost = _fold_cost(service, keys)
            sheet.add(f"restart: {service.name}, {size:,} customers, fold in process", cost, "CPU µs per event")
            lines[service.name].append((size, back.caught_up))
    sheet.add_load("restart", "after")
    _draw(lines, whole=sizes == list(SIZES))


async def _restarts(
    services: list[Service], keys: list[list[bytes]], *, directory: Path, cache: Path
) -> dict[str, Back]:
    """The last hop first: what the others send when they catch up would else stand in its input."""
    emptied(directory)
    names = tuple(service.name for service in services)
    backs = {}
    async with Stack(directory=directory, scenario=True, cache=cache) as stack:
        await create(stack.kafka)
        async with Writer(stack.kafka) as writer:
            for service in services:
                await writer.write(service.history)
                await writer.write(service.states(keys))
                await writer.write(service.tail)
        for step, service in reversed(list(zip(chosen(names), services, strict=True))):
            argv = (sys.executable, "-m", step.module, *step.arguments)
            env = stack.environment() | {"HUITOU_INSTANCE": f"{step.name}-1"}
            process = Process(name=step.name, argv=argv, env=env, restart=False, cwd=ROOT)
            backs[service.name] = await _restart(stack, process, service)
    return backs


async def _restart(stack: Stack, process: Process, service: Service) -> Back:
    supervisor, peak, pid = stack.supervisor, 0, 0
    recovered = caught_up = 0.0
    async with LagReader(stack.kafka, inputs={service.name: (service.input,)}, others=False) as lag:
        began = clock.monotonic()
        await supervisor.start(process)
        try:
            while not caught_up:
                pid, passed = supervisor.pid(process.name) or 0, clock.monotonic() - began
                if not pid or passed > WITHIN:
                    raise RuntimeError(
                        f"{process.name}: not back after {passed:.0f} s, see {supervisor.log(process.name)}"
                    )
                peak = max(peak, cpu.memory_of(pid))
                if not recovered and RECOVERED in supervisor.log(process.name).read_bytes():
                    recovered = passed
                if recovered and not any(one.lag for one in (await lag.read())[service.name]):
                    caught_up = clock.monotonic() - began
                await asyncio.sleep(LOOK_SECONDS)
            await asyncio.sleep(REST_SECONDS)
            return Back(recovered, caught_up, peak, cpu.memory_of(pid))
        finally:
            await supervisor.stop_one(process.name)


def _report(sheet: Sheet, name: str, back: Back, empty: Back, size: int) -> None:
    sheet.add(f"{name}, until whole", back.recovered, "s")
    sheet.add(f"{name}, until caught up", back.caught_up, "s")
    sheet.add(f"{name}, recovery", size / back.recovered, "records/s")
    sheet.add(f"{name}, memory", back.rest / 2**20, "MiB")
    sheet.add(f"{name}, memory at most", back.peak / 2**20, "MiB")
    sheet.add(f"{name}, memory of each", (back.rest - empty.rest) / (size - MODELS), "bytes per customer")


def _fold_cost(service: Service, keys: list[list[bytes]]) -> float:
    """CPU µs per event of decode, step, encode and drain with that population in memory."""
    hop = MeasuredHop(service.make)
    for emit in service.states(keys):
        assert emit.key is not None
        hop.partitions[emit.partition].restore(emit.key, emit.value)
    for core in hop.partitions.values():
        core.restored()
    _, seconds = hop.feed(service.tail, 0)
    if hop.steps != len(service.tail):
        raise RuntimeError(f"{service.name}: {hop.steps} steps for {len(service.tail)} events of the tail")
    return seconds / len(service.tail) * 1e6


def _draw(lines: dict[str, list[tuple[float, float]]], *, whole: bool) -> None:
    """The docs' plot if all sizes were measured, one for looking at otherwise."""
    file = ROOT / "docs" / "recovery.svg" if whole else ROOT / ".local" / "results" / "recovery.svg"
    file.parent.mkdir(parents=True, exist_ok=True)
    drawn = plot.chart(
        "Restart by number of customers, one worker with all 12 partitions",
        lines,
        across="customers",
        up="seconds until caught up",
    )
    file.write_text(drawn, encoding="utf-8")
