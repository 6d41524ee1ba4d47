"""`python -m tests.chaos.crash_points [engine] [notifier]`: every point once, then pairs; exit code 1 if anything shows.

PAIRS=n pairs of crashes of the engine's chain (2,000), SEED=n which ones.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deploy.migrate import upgrade
from deploy.stack.postgres import Postgres
from deploy.stack.supervisor import Supervisor
from shared.contract.commands import SendMessage

from . import engine, notifier
from .inputs import to_send
from .results import Result, pairs
from .sends import Post

PARTS = ("engine", "notifier")


def main(parts: Sequence[str] = PARTS) -> int:
    """0: nothing was lost, doubled or different at any point."""
    console = Console(highlight=False)
    results: list[Result] = []
    if "engine" in parts:
        results += _engine(console, int(os.environ.get("PAIRS") or 2_000), int(os.environ.get("SEED") or 1))
    if "notifier" in parts:
        results.append(asyncio.run(_notifier(console, to_send(engine.judge().quiet.world))))
    violations = sum(len(result.findings) for result in results)
    console.print(f"{sum(result.kinds.total() for result in results)} crashes in all, {violations} violations")
    return 1 if violations else 0


def _engine(console: Console, number: int, seed: int) -> list[Result]:
    points = engine.judge().points
    emits = [frozenset({point}) for point in points if " emit " in point.kind]
    plans = (
        ("engine, each point", [frozenset({point}) for point in points], engine.crashed),
        ("engine, each emit with the rest in flight landing", emits, engine.landed),
        ("engine, pairs", pairs(points, number, seed=seed), engine.crashed),
    )
    results = []
    for name, wanted, run in plans:
        result = engine.enumerate_points(name, wanted, run, console.print)
        console.print("\n".join(result.lines()), markup=False)
        results.append(result)
    return results


async def _notifier(console: Console, commands: Sequence[SendMessage]) -> Result:
    directory = Path(tempfile.mkdtemp(prefix="crash-points-"))
    supervisor = Supervisor(directory / "logs", env=os.environ)
    database = Postgres(directory / "postgres", durable=False)
    try:
        await database.start(supervisor)
        await upgrade(database.database_url)
        async with Post.open(directory / "keys", database.database_url) as post:
            points = (await notifier.quiet(post, commands)).points.passed
            wanted = [frozenset({point}) for point in points]
            result = await notifier.enumerate_points(post, commands, wanted, say=console.print)
    finally:
        await supervisor.stop()
        database.remove()
        shutil.rmtree(directory, ignore_errors=True)
    console.print("\n".join(result.lines()), markup=False)
    return result


if __name__ == "__main__":
    chosen = sys.argv[1:] or PARTS
    if not set(chosen) <= set(PARTS):
        sys.exit(f"crash points: {', '.join(sorted(set(chosen) - set(PARTS)))} unknown; there are {', '.join(PARTS)}")
    sys.exit(main(chosen))
