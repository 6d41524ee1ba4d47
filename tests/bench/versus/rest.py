"""The part rest: all services with live time and nothing to do; CPU, memory, and what the broker's log grows by.

The stacks are weighed at the same time: nothing waits for a processor there, and what else the machine does hits all.
"""

from __future__ import annotations

import asyncio

from shared import clock
from tests.bench import workload
from tests.bench.chain import PER_REQUEST, PROJECTOR
from tests.bench.versus.drive import ALL_CPU, COMPILER_CPU, HOPS, NOTIFIER, drive
from tests.bench.versus.ground import Ground
from tests.bench.versus.readings import Arm, Reading, Readings, Round
from tests.bench.versus.running import Running, Terms, all_of

SERVICES = (
    "sandbox",
    "profile",
    "segmenter",
    "cuts",
    "trigger-engine",
    "notifier",
    "console",
    "ingest",
    "importer",
    "clock",
)
SECONDS = 20.0
"""Of one window; each third holds an epoch of the cuts."""
SETTLE_MS = 5_000
"""Between the last member settled and the epoch that may count."""
TICKS_AT_REST = 400
"""Records that may stand before all groups at rest: rounds that hold only ticks commit every five seconds."""
EPOCH_MS, AFTER_EPOCH_MS = 60_000, 10_000
"""Windows of 20 s begin 10, 30 and 50 s after a full minute, so that no edge of one cuts an epoch in two.

The first begins after an epoch that met the members of all stacks: the first epoch moves them into their groups.
"""
MIB = 2**20
ALL_MEMORY = "memory of all"
"""Sums are judged. A process at rest spends 20 of the 10 ms that /proc counts in, and what it does twice a second depends
on when its stack started: its own figure is shown.
"""


async def rest(ground: Ground) -> list[Round]:
    """One window per round, of all stacks at once, after a first that does not count."""
    terms = Terms(services=SERVICES, scenario=False, cache=ground.asked.cache)
    async with all_of(ground.supervisor, ground.builds, terms) as stacks:
        ground.say("all stacks run")
        for one in stacks:
            await _settled(one, ground)
        ground.say("members settled")
        await asyncio.sleep(until_first_window(clock.now_ms()))
        found = []
        for number in range(ground.asked.pairs + 1):
            turn = await _window(stacks, ground.asked.seconds or SECONDS)
            for arm, readings in turn.items():
                ground.tell(arm, number, readings, ALL_CPU, ALL_MEMORY, "appended to the log")
            found.append(turn)
        return found[1:]


def until_first_window(settled_at: int) -> float:
    """Seconds from `settled_at` (ms) to AFTER_EPOCH_MS after the first epoch that meets all members."""
    epoch = -(-(settled_at + SETTLE_MS) // EPOCH_MS) * EPOCH_MS
    return (epoch + AFTER_EPOCH_MS - settled_at) / 1000


async def _settled(stack: Running, ground: Ground) -> None:
    """Members known: what an epoch costs at rest depends on how many there are."""
    async with drive(stack, connections=8) as one:
        await one.publish(ground.policy)
        await one.client.post_all(workload.bodies(workload.settled_members(clock.now_ms()), PER_REQUEST))
        await one.through((*HOPS, NOTIFIER, PROJECTOR), most=TICKS_AT_REST)


async def _window(stacks: list[Running], seconds: float) -> Round:
    before = {one.build.arm: (one.processes.spent(), one.log_bytes()) for one in stacks}
    began = clock.monotonic()
    await asyncio.sleep(seconds)
    took = clock.monotonic() - began
    turn: dict[Arm, Readings] = {}
    for one in stacks:
        spent, size = before[one.build.arm]
        since, appended = one.processes.spent().since(spent), one.log_bytes() - size
        turn[one.build.arm] = {
            ALL_CPU: Reading(since.all / took, "cores"),
            **{f"CPU of {name}": Reading(used / took, "cores", judged=False) for name, used in since.services.items()},
            COMPILER_CPU: Reading(since.compiler / took, "cores", judged=False),
            **_memory(one),
            "appended to the log": Reading(appended / took, "bytes/s"),
        }
    return turn


def _memory(one: Running) -> Readings:
    """Proportional set sizes."""
    found = one.processes.memory()
    return {
        ALL_MEMORY: Reading(sum(found.values()) / MIB, "MiB"),
        **{f"memory of {name}": Reading(size / MIB, "MiB", judged=False) for name, size in found.items()},
    }
