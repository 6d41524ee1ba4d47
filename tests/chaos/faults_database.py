"""Faults on the database: restarted in two ways, and away for a while."""

from __future__ import annotations

import asyncio
import random
import signal

from deploy.demo.verdict import accepted_by_command
from deploy.stack.postgres import DATABASE, NAME
from deploy.stack.restarts import BACKOFF_SECONDS
from tests.chaos.chaos import Chaos

LAST_BYTES_SECONDS = 2.0
"""What had been claimed before the database went may still be on its way."""
RESUME_SECONDS = BACKOFF_SECONDS[-1] + 5.0
"""The longest pause between two starts, where the last attempt came while the database recovered, and a start."""


async def database_restart(chaos: Chaos, rnd: random.Random) -> str:
    """A fast restart breaks transactions off, an immediate one is a crash that is recovered from the log."""
    way, number = rnd.choice((("fast", signal.SIGINT), ("immediate", signal.SIGQUIT)))
    await chaos.running(NAME)
    drained = await chaos.supervisor.restart(NAME, stop_signal=number)
    return f"{way} restart of {NAME}, down after {drained:.1f} s"


async def database_down(chaos: Chaos, rnd: random.Random) -> str:
    """No database: ingest goes on, not one message leaves, and the notifier goes on by itself afterwards."""
    seconds = 60.0 if chaos.plan.long else 8.0
    scenario = chaos.scenario
    await chaos.running(NAME)
    await chaos.supervisor.stop_one(NAME)
    try:
        await asyncio.sleep(LAST_BYTES_SECONDS)
        before, posted = await _sent(chaos), scenario.posted
        await asyncio.sleep(seconds)
        sent, taken = await _sent(chaos) - before, scenario.posted - posted
    finally:
        await chaos.supervisor.start_again(NAME)
    back = chaos.now()
    await _connected(chaos)
    resumed = chaos.now() - back
    if sent:
        chaos.broken.append(f"database-down: {sent} messages went while there was no database")
    if resumed > RESUME_SECONDS:
        chaos.broken.append(f"database-down: the notifier ran only {resumed:.1f} s after the database")
    return f"no database for {seconds:.0f} s: {taken} events taken, {sent} messages sent, notifier back after {resumed:.1f} s"


async def _connected(chaos: Chaos) -> None:
    """The notifier, which alone uses the database here, is at work in it again."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    async with asyncio.timeout(6 * RESUME_SECONDS):
        while True:
            connection = await chaos.stack.database.connect()
            try:
                if await connection.fetchval(query, DATABASE):
                    return
            finally:
                await connection.close()
            await asyncio.sleep(0.1)


async def _sent(chaos: Chaos) -> int:
    return sum((await accepted_by_command(chaos.stack.sandbox_url)).values())
