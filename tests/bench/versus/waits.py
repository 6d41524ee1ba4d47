"""The part latency: from an order's request to its command at 1,000 events/s, without an epoch of the cuts and with one.

Time comes as ticks of ours, one a second, so that the epoch falls where it is wanted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

import msgspec

from shared import clock
from tests.bench import workload
from tests.bench.chain import MINUTE, SECOND
from tests.bench.figures import quantile
from tests.bench.latency import CONNECTIONS, NEW_EACH, PER_REQUEST, RATE, Commands
from tests.bench.versus.drive import HOPS, Drive, cpu_readings, drive
from tests.bench.versus.ground import Ground
from tests.bench.versus.readings import Arm, Reading, Readings, Round
from tests.bench.versus.rounds import in_turn
from tests.bench.versus.running import Terms, all_of
from tests.bench.versus.through import settle

SERVICES = ("profile", "segmenter", "cuts", "trigger-engine", "ingest")
"""Up to the command. With the notifier, whose work comes after it, two cores are full and the waits are those for a core."""
SECONDS = 6.0
"""Of the schedule that count: so many without an epoch, then so many with one."""
WARM_UP_SECONDS = 3.0
EPOCH_AFTER_SECONDS = 2.0
"""Into those that hold the epoch."""
MOST_SECONDS = 50.0
"""A longer window would hold an epoch in any case."""
GRACE_MS = 2 * SECOND
"""A tick stands so far behind the scenario's time, as a live one does."""
SHARES = {"p50": 0.5, "p99": 0.99}
WITHOUT, WITH = "without an epoch", "with an epoch"


class Plan(msgspec.Struct, frozen=True):
    """One run, the same for all builds."""

    begins: int
    """Scenario instant of its first request, ms."""
    introductions: list[bytes]
    """Of its new members: sent and settled before."""
    load: workload.Load
    seconds: float

    def window(self, due: float) -> str | None:
        """In which of the two a request counts; None for the warm-up."""
        if due < WARM_UP_SECONDS:
            return None
        return WITHOUT if due < WARM_UP_SECONDS + self.seconds else WITH


def begins(at: int, number: int, seconds: float) -> int:
    """Scenario instant of the first request of round `number`, ms: its ticks cross a minute EPOCH_AFTER_SECONDS into the second window."""
    lead, whole = WARM_UP_SECONDS + seconds + EPOCH_AFTER_SECONDS, WARM_UP_SECONDS + 2 * seconds
    minutes = 3 + number * (1 + round(whole * SECOND) // MINUTE)
    return (at // MINUTE + minutes) * MINUTE - round(lead * SECOND) + GRACE_MS


def plan(at: int, number: int, seconds: float) -> Plan:
    """The run of round `number`."""
    first_at, whole = begins(at, number, seconds), WARM_UP_SECONDS + 2 * seconds
    each = int(whole * RATE) // NEW_EACH
    first = workload.MEMBERS + number * each
    load = workload.open_load(
        f"run-{number}",
        seconds=whole,
        rate=RATE,
        size=PER_REQUEST,
        new_each=NEW_EACH,
        first_new=first,
        at=first_at,
    )
    members = range(first, first + each)
    known = [one for member in members for one in workload.introduction(member, first_at, reachable=True)]
    return Plan(first_at, workload.bodies(known, 100), load, seconds)


async def latency(ground: Ground) -> list[Round]:
    """On stacks that live through all rounds."""
    terms = Terms(services=SERVICES, cache=ground.asked.cache)
    seconds = min(ground.asked.seconds or SECONDS, MOST_SECONDS)
    async with all_of(ground.supervisor, ground.builds, terms) as stacks, contextlib.AsyncExitStack() as opened:
        arms: dict[Arm, tuple[Drive, Commands]] = {}
        ground.say("all stacks run")
        for one in stacks:
            arms[one.build.arm] = (
                await opened.enter_async_context(drive(one, connections=CONNECTIONS)),
                await opened.enter_async_context(Commands(one.kafka)),
            )
        for each, _ in arms.values():
            await settle(each, ground, HOPS)
        ground.say("members settled")
        plans: dict[int, Plan] = {}

        async def run(arm: Arm, number: int) -> Readings:
            if number not in plans:
                plans.clear()
                plans[number] = plan(ground.at, number, seconds)
            readings = await _run(*arms[arm], plans[number])
            ground.tell(
                arm, number, readings, *(f"{window}, {share}" for window in (WITHOUT, WITH) for share in SHARES)
            )
            return readings

        return await in_turn(ground.asked.pairs, run)


async def _run(one: Drive, commands: Commands, asked: Plan) -> Readings:
    await one.client.post_all(asked.introductions)
    await one.tick(asked.begins - GRACE_MS)
    await one.at_rest(HOPS)
    before, ticking = one.running.processes.spent(), asyncio.create_task(_ticks(one, asked.begins), name="ticks")
    try:
        answered = await one.client.post_on_schedule(asked.load.bodies, every=asked.load.every)
        await commands.all_of(asked.load.due)
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
    await one.at_rest(HOPS, calm=0.5)
    spent = one.running.processes.spent().since(before)
    waits = {order: commands.read[order] - answered.start - due for order, due in asked.load.due.items()}
    events = PER_REQUEST * len(asked.load.bodies)
    return {
        **waits_readings(asked, waits),
        **cpu_readings(dict(spent.services), spent.compiler, events=events),
    }


async def _ticks(one: Drive, begins: int) -> None:
    """A tick a second until cancelled."""
    start = clock.monotonic()
    while True:
        passed = clock.monotonic() - start
        await one.tick(begins + int(passed * SECOND) - GRACE_MS)
        await asyncio.sleep(1 - (clock.monotonic() - start) % 1)


def waits_readings(asked: Plan, waits: Mapping[str, float]) -> Readings:
    """Median and 99th percentile of both windows, from seconds of wait by order id."""
    found = {}
    for window in (WITHOUT, WITH):
        counted = [wait for order, wait in waits.items() if asked.window(asked.load.due[order]) == window]
        for name, share in SHARES.items():
            found[f"{window}, {name}"] = Reading(quantile(counted, share) * 1000, "ms")
    return found
