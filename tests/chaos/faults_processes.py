"""Faults on the services' processes: killed, frozen, starved, restarted, multiplied, kept away."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from tests.chaos.chaos import Chaos

BURST = 5
STATEFUL = ("profile", "segmenter", "trigger-engine")
MOST_WORKERS = 4
SHARED_SECONDS = 3.0
THROTTLE_SECONDS = 5.0
CYCLE_SECONDS = 0.1
CPU_SHARE = 0.2
CALM = 1_000
"""Records of lag that count as caught up."""
CATCH_UP_SECONDS = 120.0


async def kill(chaos: Chaos, rnd: random.Random) -> str:
    """SIGKILL of one process."""
    name = await chaos.target(rnd)
    await chaos.kill(name)
    return f"SIGKILL {name}"


async def burst(chaos: Chaos, rnd: random.Random) -> str:
    """Five SIGKILLs within about two seconds, of different services as far as there are so many."""
    victims = list(chaos.plan.victims)
    names = rnd.sample(victims, min(BURST, len(victims)))
    names += rnd.choices(victims, k=BURST - len(names))
    for name in names:
        await chaos.kill(rnd.choice(chaos.processes(name)))
        await asyncio.sleep(rnd.uniform(0.05, 0.35))
    return f"SIGKILL {', '.join(names)}"


async def stop(chaos: Chaos, rnd: random.Random) -> str:
    """SIGSTOP, then SIGCONT when session and lease may long be over: what it still does is a zombie's work."""
    seconds = rnd.uniform(5, 90 if chaos.plan.long else 15)
    name = await chaos.target(rnd)
    chaos.supervisor.freeze(name)
    await asyncio.sleep(seconds)
    chaos.supervisor.thaw(name)
    return f"SIGSTOP {name} for {seconds:.1f} s"


async def throttle(chaos: Chaos, rnd: random.Random) -> str:
    """A fifth of the processor's time for one process: frozen and let go ten times a second."""
    name = await chaos.target(rnd)
    for _ in range(int(THROTTLE_SECONDS / CYCLE_SECONDS)):
        chaos.supervisor.freeze(name)
        await asyncio.sleep((1 - CPU_SHARE) * CYCLE_SECONDS)
        chaos.supervisor.thaw(name)
        await asyncio.sleep(CPU_SHARE * CYCLE_SECONDS)
    return f"{name} with {CPU_SHARE:.0%} of a processor for {THROTTLE_SECONDS:.0f} s"


async def rolling(chaos: Chaos, rnd: random.Random) -> str:
    """SIGTERM and a new start, one process after the other. Clients may have to ask again, none may be refused."""
    before = Counter(chaos.scenario.retries)
    drains = []
    for service in chaos.plan.victims:
        for name in chaos.processes(service):
            await chaos.running(name)
            drained = await chaos.supervisor.restart(name)
            drains.append(f"{name} {drained:.1f} s")
            if drained > chaos.supervisor.patience(name):
                chaos.broken.append(f"rolling: {name} did not drain within {chaos.supervisor.patience(name):.0f} s")
    again = Counter(chaos.scenario.retries) - before
    return f"drained: {', '.join(drains)}; requests sent again: {dict(again) or 'none'}"


async def scale(chaos: Chaos, rnd: random.Random) -> str:
    """One stateful service grows to four workers and shrinks to one again; one of them is killed in between."""
    service = rnd.choice([name for name in STATEFUL if name in chaos.plan.victims] or STATEFUL)
    extras = []
    for number in range(2, MOST_WORKERS + 1):
        extras.append(await chaos.stack.start_another(service, number))
        await asyncio.sleep(rnd.uniform(0.2, SHARED_SECONDS / 2))
    await asyncio.sleep(SHARED_SECONDS)
    struck = rnd.choice([service, *extras])
    await chaos.kill(struck)
    await asyncio.sleep(SHARED_SECONDS)
    for extra in extras:
        await chaos.supervisor.stop_one(extra)
        await asyncio.sleep(rnd.uniform(0.2, 1.0))
    return f"{service} 1 → {MOST_WORKERS} → 1 workers, SIGKILL {struck} in between"


async def lag(chaos: Chaos, rnd: random.Random) -> str:
    """One service is away for a while and then catches up."""
    name = await chaos.target(rnd, tuple(name for name in chaos.plan.victims if name in (*STATEFUL, "notifier")))
    await chaos.supervisor.stop_one(name)
    await asyncio.sleep(rnd.uniform(5, 90 if chaos.plan.long else 10))
    behind = (await chaos.scenario.behind()).get(name, 0)
    await chaos.supervisor.start_again(name)
    began = chaos.now()
    while (left := (await chaos.scenario.behind()).get(name, 0)) >= CALM and chaos.now() - began < CATCH_UP_SECONDS:
        await asyncio.sleep(0.2)
    if left >= CALM:
        chaos.broken.append(f"lag: {name} did not catch up within {CATCH_UP_SECONDS:.0f} s, {left} records are left")
    return f"{name} away until {behind} records waited, below {CALM} again after {chaos.now() - began:.1f} s"
