"""`make bench BENCH=versus BASE=<commit>`: this tree beside another commit, part by part; 1 if any figure is slower."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from rich.console import Console

from shared import clock
from tests.bench.versus import folds, job, rest, through, waits
from tests.bench.versus.asked import Asked
from tests.bench.versus.builds import ROOT, made
from tests.bench.versus.ground import Ground
from tests.bench.versus.readings import Round, compared
from tests.bench.versus.results import Load, Part, summary, table, written
from tests.bench.versus.running import supervisor

PARTS: Mapping[str, Callable[[Ground], Awaitable[list[Round]]]] = {
    "chain": through.chain,
    "projector": through.projector,
    "latency": waits.latency,
    "rest": rest.rest,
    "aggregator": job.aggregator,
    "in-process": folds.in_process,
}
"""In the order in which they run."""


async def run(asked: Asked, console: Console, *, policy: dict[str, Any], at: int) -> list[Part]:
    """The parts asked for; each is written when it is whole."""
    began = clock.monotonic()

    def say(line: str) -> None:
        console.print(f"{clock.monotonic() - began:6.0f} s  {line}", style="dim")

    arms = await made(asked.base, say, slower_by=asked.slowed)
    found = []
    async with supervisor() as over:
        ground = Ground(asked=asked, arms=arms, supervisor=over, policy=policy, at=at, say=say)
        for name in asked.parts:
            say(f"{name}: {arms['this'].commit} against {arms['base'].commit}")
            before, since = os.getloadavg()[0], clock.monotonic()
            rounds = await PARTS[name](ground)
            part = Part(
                name=name,
                base=arms["base"].commit,
                this=arms["this"].commit,
                pairs=asked.pairs,
                load=Load(before, os.getloadavg()[0]),
                seconds=clock.monotonic() - since,
                figures=compared(rounds),
            )
            written(part, ROOT)
            console.print(table(part))
            found.append(part)
    for line in summary(found):
        console.print(line)
    return found
