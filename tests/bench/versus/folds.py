"""The part in-process: intake and the folds of each build in a process of its own, many short repetitions in turn."""

from __future__ import annotations

import asyncio
import contextlib
import math
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from tests.bench import workload
from tests.bench.in_process import PER_SECOND
from tests.bench.repeat import Repeated, Terms
from tests.bench.versus.adapters import adapter
from tests.bench.versus.builds import HOME, Build, environment
from tests.bench.versus.ground import Ground
from tests.bench.versus.readings import ARMS, Arm, Reading, Readings, Round
from tests.bench.versus.rounds import in_turn

EVENTS = 20_000
"""Of one round of one build, over all its repetitions."""
REPETITIONS = 20
PER_REQUEST = 100
UNIT = "CPU µs per event"
INTAKE, FOLDS = "intake", "three folds"
WITHIN = 120.0


class Child:
    """A build's own command, which waits for its turn."""

    def __init__(self, build: Build, process: Process) -> None:
        self._build, self._process = build, process

    async def turn(self, bodies: int) -> Repeated:
        """One repetition; RuntimeError where the child ended or a fold did not step by every event."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % bodies)
        line = await asyncio.wait_for(self._process.stdout.readline(), WITHIN)
        if not line:
            raise RuntimeError(f"in-process: {self._build.arm} ended with {await self._process.wait()}")
        repeated = msgspec.json.decode(line, type=Repeated)
        if repeated.steps != [bodies * PER_REQUEST]:
            raise RuntimeError(f"in-process: {self._build.arm} took {repeated.steps} steps for {bodies} requests")
        return repeated


@contextlib.asynccontextmanager
async def _child(build: Build, folder: Path) -> AsyncIterator[Child]:
    known = adapter(build.root)
    process = await asyncio.create_subprocess_exec(
        *(str(build.python), *known.in_process, str(folder)),
        cwd=build.root,
        env=environment(),
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        yield Child(build, process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def in_process(ground: Ground) -> list[Round]:
    """Fresh processes for every round: what a layout of memory gives or takes, it gives or takes by chance."""
    size = max(1, (ground.asked.events or EVENTS) // PER_REQUEST // REPETITIONS)
    folder = _prepared(ground, size * (REPETITIONS + 1) * PER_REQUEST)
    found: list[Round] = []
    for number in range(1, ground.asked.pairs + 1):
        async with contextlib.AsyncExitStack() as stack:
            children: dict[Arm, Child] = {}
            for build in ground.builds:
                children[build.arm] = await stack.enter_async_context(_child(build, folder))
            for arm in ARMS:
                await children[arm].turn(size)  # settles the members, and warms up
            turn = await _repeated(children, size)
        for arm, readings in turn.items():
            ground.tell(arm, number, readings, INTAKE, FOLDS)
        found.append(turn)
    return found


async def _repeated(children: dict[Arm, Child], size: int) -> Round:
    """All repetitions of a round in turn."""
    turns: list[dict[Arm, Mapping[str, float]]] = []
    turn: dict[Arm, Mapping[str, float]] = {}

    async def run(arm: Arm, _: int) -> Readings:
        turn[arm] = (await children[arm].turn(size)).seconds
        if len(turn) == len(ARMS):
            turns.append(dict(turn))
            turn.clear()
        return {}

    await in_turn(REPETITIONS, run, warm_up=False)
    return readings_of(turns, events=size * PER_REQUEST)


def readings_of(turns: Sequence[Mapping[Arm, Mapping[str, float]]], *, events: int) -> Round:
    """µs per event of intake, of each fold, and of all folds together, from the seconds of all repetitions of `events`."""
    found: dict[Arm, dict[str, Reading]] = {arm: {} for arm in ARMS}
    names = list(turns[0][ARMS[0]])
    for name in (*names, FOLDS):
        of = {name} if name in names else set(names) - {INTAKE}
        levels = level([{arm: sum(turn[arm][one] for one in of) for arm in ARMS} for turn in turns])
        for arm in ARMS:
            found[arm][name] = Reading(levels[arm] / events * 1e6, UNIT)
    return found


def level(turns: Sequence[Mapping[Arm, float]]) -> dict[Arm, float]:
    """What a repetition costs each build, robust against what else the machine does in some of them.

    A neighbour on the same core makes a repetition half as dear again, for seconds. So each repetition is first set in
    relation to the other builds' of its turn, and of these relations the median counts.
    """
    means = [math.prod(turn.values()) ** (1 / len(turn)) for turn in turns]
    usual = median(means)
    return {arm: usual * median(turn[arm] / mean for turn, mean in zip(turns, means, strict=True)) for arm in ARMS}


def _prepared(ground: Ground, events: int) -> Path:
    """The same bytes for all builds."""
    folder = HOME / "in-process"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "terms.json").write_bytes(msgspec.json.encode(Terms(ground.at, ground.policy)))
    for name, made in (
        ("settled", workload.settled_members(ground.at)),
        ("day", workload.day("day", events, ground.at, per_second=PER_SECOND)),
    ):
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(workload.bodies(made, PER_REQUEST)) + b"\n")
    return folder
