"""How many events a second go in by HTTP and through the whole chain, and what CPU each process spends on them; without and with the read side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy.demo.retail import QUICK
from deploy.demo.scenario import CHAIN, Scenario
from deploy.stack.stack import Stack, emptied
from services.trigger_engine.publish import publish_policy
from shared import clock
from tests.bench import cpu, in_process, workload
from tests.bench.figures import Sheet
from tests.bench.wire import Client

SERVICES = ("sandbox", "profile", "segmenter", "cuts", "trigger-engine", "notifier", "ingest")
HOPS = ("profile", "segmenter", "trigger-engine")
PROJECTOR = "console"
CONNECTIONS = 8
PER_REQUEST = 100
PARTS = 20
"""The run is cut into that many; after each but the last two comes a tick, so that the last commit never waits for one."""
SECOND, MINUTE = 1_000, 60_000
WITHIN = 300.0

Say = Callable[[str], None]


async def measure(
    sheet: Sheet,
    say: Say,
    *,
    directory: Path,
    cache: Path,
    events: int,
    at: int,
    policy: dict[str, Any],
    projector: bool = False,
) -> None:
    """A fresh stack on the scenario clock; `events` of an ordinary day posted as fast as ingest takes them.

    With `projector` the console runs too and must have written everything into its read model.
    """
    emptied(directory)
    name = "chain with projector" if projector else "chain"
    services, groups = ((*SERVICES, PROJECTOR), (*HOPS, PROJECTOR)) if projector else (SERVICES, HOPS)
    day = at + MINUTE
    bodies = workload.bodies(workload.day("day", events, day, per_second=in_process.PER_SECOND), PER_REQUEST)
    stack = Stack(directory=directory, services=services, scenario=True, cache=cache, env=QUICK)
    async with stack, Scenario(stack) as scenario:
        client = Client(stack.http_url, stack.secrets.read_write_key(), CONNECTIONS)
        await publish_policy(stack.kafka, policy)
        await scenario.tick(at)
        await client.post_all(workload.bodies(workload.settled_members(at), PER_REQUEST))
        await scenario.settled(within=WITHIN, groups=(*CHAIN, *groups))
        await scenario.tick(day)  # an epoch: the first cuts of a new population move everybody, once
        await scenario.settled(within=WITHIN, calm=4.0, groups=(*CHAIN, *groups))
        say(f"{name}: {workload.MEMBERS} members settled; {events} events follow")
        sheet.add_load(name, "before")
        await _run(sheet, scenario, client, bodies, events=events, name=name, groups=groups)
        sheet.add_load(name, "after")
        _same_processes(stack)


async def _run(
    sheet: Sheet,
    scenario: Scenario,
    client: Client,
    bodies: list[bytes],
    *,
    events: int,
    name: str,
    groups: Sequence[str],
) -> None:
    part = max(1, len(bodies) // PARTS)

    async def each(done: int) -> None:
        if done % part == 0 and done < len(bodies) - part:
            await scenario.tick(scenario.now + SECOND)

    before, began = cpu.of_stack(scenario.stack), clock.monotonic()
    await client.post_all(bodies, each)
    accepted = clock.monotonic() - began
    behind = await scenario.behind()
    await _caught_up(scenario, groups)
    through = clock.monotonic() - began
    spent = cpu.between(before, cpu.of_stack(scenario.stack))
    sheet.add(
        f"{name}: accepted by HTTP", events / accepted, "events/s", baseline=_baseline(sheet, name, "accepted by HTTP")
    )
    sheet.add(
        f"{name}: through all hops", events / through, "events/s", baseline=_baseline(sheet, name, "through all hops")
    )
    sheet.add(f"{name}: behind at the last answer", sum(behind.get(group, 0) for group in groups), "records")
    for service, seconds in spent.items():
        sheet.add(f"{name}: CPU of {service}", seconds / events * 1e5, "s per 100,000 events")
    sheet.add(f"{name}: CPU of all", sum(spent.values()) / events * 1e5, "s per 100,000 events")
    sheet.add(f"{name}: cores busy with it", sum(spent.values()) / through, "cores")


async def _caught_up(scenario: Scenario, groups: Sequence[str]) -> None:
    """No group is behind. One reading tells: ends are read after commits, and a hop commits after its output is written."""
    deadline = clock.monotonic() + WITHIN
    while clock.monotonic() < deadline:
        behind = await scenario.behind()
        if not any(behind.get(group, 1) for group in groups):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"chain: still behind after {WITHIN:.0f} s")


def _baseline(sheet: Sheet, name: str, figure: str) -> float | None:
    """The chain's own rate for that with the projector, one core's rate in process for that without."""
    if name != "chain":
        return sheet.value(f"chain: {figure}")
    one_core = in_process.INTAKE_NAME if figure == "accepted by HTTP" else in_process.FOLDS_NAME
    return sheet.value(f"{one_core}, rate")


def _same_processes(stack: Stack) -> None:
    """RuntimeError if a service was started again: its CPU seconds and the rate would be wrong."""
    again = [name for name in stack.supervisor.names if stack.supervisor.restarts(name)]
    if again:
        raise RuntimeError(f"restarted while measured: {', '.join(again)}; see {stack.directory}/logs")
