"""The parts chain and projector: a day of events by HTTP, through all hops, on stacks that live through all rounds."""

from __future__ import annotations

import contextlib

from shared import clock
from tests.bench import workload
from tests.bench.chain import MINUTE, PARTS, PER_REQUEST, PROJECTOR, SECOND, SERVICES
from tests.bench.in_process import PER_SECOND
from tests.bench.versus.drive import HOPS, NOTIFIER, Drive, cpu_readings, drive
from tests.bench.versus.ground import Ground
from tests.bench.versus.readings import Arm, Reading, Readings, Round
from tests.bench.versus.rounds import in_turn
from tests.bench.versus.running import Terms, all_of

EVENTS = 100_000
EVENTS_WITH_PROJECTOR = 40_000
WARM_UP_EVENTS = 30_000
CONNECTIONS = 8


async def chain(ground: Ground) -> list[Round]:
    """Without the read side."""
    return await _measure(ground, SERVICES, HOPS, ground.asked.events or EVENTS)


async def projector(ground: Ground) -> list[Round]:
    """With the console, whose projector must have written everything."""
    events = ground.asked.events or EVENTS_WITH_PROJECTOR
    return await _measure(ground, (*SERVICES, PROJECTOR), (*HOPS, PROJECTOR), events)


async def _measure(ground: Ground, services: tuple[str, ...], groups: tuple[str, ...], events: int) -> list[Round]:
    terms = Terms(services=services, cache=ground.asked.cache)
    async with all_of(ground.supervisor, ground.builds, terms) as stacks, contextlib.AsyncExitStack() as opened:
        drives: dict[Arm, Drive] = {}
        ground.say("all stacks run")
        for one in stacks:
            drives[one.build.arm] = await opened.enter_async_context(drive(one, connections=CONNECTIONS))
        for each in drives.values():
            await settle(each, ground, (*groups, NOTIFIER))
        ground.say("members settled")
        made: dict[int, list[bytes]] = {}

        async def run(arm: Arm, number: int) -> Readings:
            if number not in made:
                made.clear()
                made[number] = _bodies(ground.at, number, events if number else min(events, WARM_UP_EVENTS))
            readings = await _run(drives[arm], made[number], ground.at, number, groups=groups)
            ground.tell(arm, number, readings, "through all hops", "CPU of all")
            return readings

        return await in_turn(ground.asked.pairs, run)


async def settle(one: Drive, ground: Ground, groups: tuple[str, ...]) -> None:
    """Policy in force, members known, and the first cuts of a new population, which move everybody, made."""
    await one.publish(ground.policy)
    await one.tick(ground.at)
    await one.client.post_all(workload.bodies(workload.settled_members(ground.at), PER_REQUEST))
    await one.at_rest(groups)
    await one.tick(ground.at + MINUTE)
    await one.at_rest(groups, calm=3.0)


def day_of(at: int, number: int) -> int:
    """Scenario instant at which round `number` begins: a minute, and so an epoch of the cuts, for each."""
    return at + (number + 1) * MINUTE


def _bodies(at: int, number: int, events: int) -> list[bytes]:
    day = workload.day(f"day-{number}", events, day_of(at, number), per_second=PER_SECOND)
    return workload.bodies(day, PER_REQUEST)


async def _run(one: Drive, bodies: list[bytes], at: int, number: int, *, groups: tuple[str, ...]) -> Readings:
    part, day, events = max(1, len(bodies) // PARTS), day_of(at, number), PER_REQUEST * len(bodies)

    async def each(done: int) -> None:
        if done % part == 0 and done < len(bodies) - part:
            await one.tick(one.now + SECOND)

    await one.tick(day)
    await one.at_rest((*groups, NOTIFIER), calm=0.5)
    before, began = one.running.processes.spent(), clock.monotonic()
    await one.client.post_all(bodies, each)
    accepted = clock.monotonic() - began
    await one.through(groups)
    through = clock.monotonic() - began
    await one.at_rest((*groups, NOTIFIER), calm=0.5)
    spent = one.running.processes.spent().since(before)
    return {
        "through all hops": Reading(events / through, "events/s", more_is_better=True),
        "accepted by HTTP": Reading(events / accepted, "events/s", more_is_better=True),
        **cpu_readings(dict(spent.services), spent.compiler, events=events),
    }
