"""How many events a second go in by HTTP and through the whole chain, and what CPU each process spends on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.bench import cpu, in_process, workload
from deploy.bench.figures import Sheet
from deploy.bench.wire import Client
from deploy.demo.retail import QUICK
from deploy.demo.scenario import Scenario
from deploy.stack.stack import Stack, emptied
from services.trigger_engine.publish import publish_policy
from shared import clock

SERVICES = ("sandbox", "profile", "segmenter", "cuts", "trigger-engine", "notifier", "ingest")
HOPS = ("profile", "segmenter", "trigger-engine")
CONNECTIONS = 8
PER_REQUEST = 100
PARTS = 20
"""The run is cut into that many; after each but the last two comes a tick, so that the last commit never waits for one."""
SECOND, MINUTE = 1_000, 60_000
WITHIN = 300.0

Say = Callable[[str], None]


async def measure(
    sheet: Sheet, say: Say, *, directory: Path, cache: Path, events: int, at: int, policy: dict[str, Any]
) -> None:
    """A fresh stack on the scenario clock; `events` of an ordinary day posted as fast as ingest takes them."""
    emptied(directory)
    day = at + MINUTE
    bodies = workload.bodies(workload.day("day", events, day, per_second=in_process.PER_SECOND), PER_REQUEST)
    stack = Stack(directory=directory, services=SERVICES, scenario=True, cache=cache, env=QUICK)
    async with stack, Scenario(stack) as scenario:
        client = Client(stack.http_url, stack.secrets.read_write_key(), CONNECTIONS)
        await publish_policy(stack.kafka, policy)
        await scenario.tick(at)
        await client.post_all(workload.bodies(workload.settled_members(at), PER_REQUEST))
        await scenario.settled(within=WITHIN)
        await scenario.tick(day)  # an epoch: the first cuts of a new population move everybody, once
        await scenario.settled(within=WITHIN, calm=4.0)
        say(f"chain: {workload.MEMBERS} members settled; {events} events follow")
        sheet.add_load("before chain")
        await _run(sheet, scenario, client, bodies, events=events)
        sheet.add_load("after chain")
        _same_processes(stack)


async def _run(sheet: Sheet, scenario: Scenario, client: Client, bodies: list[bytes], *, events: int) -> None:
    part = max(1, len(bodies) // PARTS)

    async def each(done: int) -> None:
        if done % part == 0 and done < len(bodies) - part:
            await scenario.tick(scenario.now + SECOND)

    before, began = cpu.of_stack(scenario.stack), clock.monotonic()
    await client.post_all(bodies, each)
    accepted = clock.monotonic() - began
    behind = await scenario.behind()
    await _caught_up(scenario)
    through = clock.monotonic() - began
    spent = cpu.between(before, cpu.of_stack(scenario.stack))
    sheet.add("chain: accepted by HTTP", events / accepted, "events/s", baseline=_intake_rate(sheet))
    sheet.add("chain: through all hops", events / through, "events/s", baseline=_folds_rate(sheet))
    sheet.add("chain: behind at the last answer", sum(behind.get(hop, 0) for hop in HOPS), "records")
    for name, seconds in spent.items():
        sheet.add(f"chain: CPU of {name}", seconds / events * 1e5, "s per 100,000 events")
    sheet.add("chain: CPU of all", sum(spent.values()) / events * 1e5, "s per 100,000 events")
    sheet.add("chain: cores busy with it", sum(spent.values()) / through, "cores")


async def _caught_up(scenario: Scenario) -> None:
    """No hop is behind. One reading tells: ends are read after commits, and a hop commits after its output is written."""
    deadline = clock.monotonic() + WITHIN
    while clock.monotonic() < deadline:
        behind = await scenario.behind()
        if not any(behind.get(hop, 1) for hop in HOPS):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"chain: still behind after {WITHIN:.0f} s")


def _intake_rate(sheet: Sheet) -> float | None:
    return sheet.value(f"{in_process.INTAKE_NAME}, rate")


def _folds_rate(sheet: Sheet) -> float | None:
    return sheet.value(f"{in_process.FOLDS_NAME}, rate")


def _same_processes(stack: Stack) -> None:
    """RuntimeError if a service was started again: its CPU seconds and the rate would be wrong."""
    again = [name for name in stack.supervisor.names if stack.supervisor.restarts(name)]
    if again:
        raise RuntimeError(f"restarted while measured: {', '.join(again)}; see {stack.directory}/logs")
