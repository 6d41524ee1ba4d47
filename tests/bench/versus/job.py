"""The part aggregator: the small job of the part peers on each build's own host and broker, started anew for every run."""

from __future__ import annotations

import asyncio

from deploy.create_topics import create
from deploy.stack.supervisor import Service
from shared import clock
from shared.contract.topics import CHANGELOG_CONFIG, CUSTOMER_EVENTS, DEAD_LETTERS, PARTITIONS
from shared.kafka.lag import LagReader
from tests.bench import cpu
from tests.bench.aggregator.events import events as made
from tests.bench.aggregator.told import Told
from tests.bench.aggregator.told import environment as names
from tests.bench.log import STAMPED, Bare, Writer, keyed
from tests.bench.peers.contest import PER_CUSTOMER
from tests.bench.peers.exact import Expected
from tests.bench.peers.pace import Sample, pace
from tests.bench.versus.ground import Ground
from tests.bench.versus.readings import Arm, Reading, Readings, Round
from tests.bench.versus.rounds import in_turn
from tests.bench.versus.running import Running, Terms, all_of
from tests.oracle.reader import read_topic

EVENTS = 150_000
LOOK_SECONDS = 0.1
WITHIN = 300.0


async def aggregator(ground: Ground) -> list[Round]:
    """Broker and database alone; the log is written once and read from its beginning by every run."""
    events = ground.asked.events or EVENTS
    async with all_of(ground.supervisor, ground.builds, Terms(cache=ground.asked.cache)) as stacks:
        by_arm: dict[Arm, Running] = {one.build.arm: one for one in stacks}
        expected = Expected()
        for one in stacks:
            await create(one.kafka, (CUSTOMER_EVENTS, DEAD_LETTERS))
            async with Writer(one.kafka) as writer:
                await writer.write(keyed(CUSTOMER_EVENTS.name, made("events", events, max(1, events // PER_CUSTOMER))))
            expected.extend(await read_topic(one.kafka, CUSTOMER_EVENTS.name))

        async def run(arm: Arm, number: int) -> Readings:
            readings = await _run(ground, by_arm[arm], number, expected, events=events)
            ground.tell(arm, number, readings, "events", "CPU")
            return readings

        return await in_turn(ground.asked.pairs, run)


async def _run(ground: Ground, one: Running, number: int, expected: Expected, *, events: int) -> Readings:
    """RuntimeError where an answer is wrong or missing."""
    job = f"job-{number}"
    told = Told(
        bootstrap=one.kafka,
        job=job,
        input=CUSTOMER_EVENTS.name,
        answers=f"{job}-answers",
        instance=f"{job}-1",
        directory=str(one.directory / job),
        partitions=PARTITIONS,
    )
    await create(one.kafka, (Bare(told.answers, STAMPED), Bare(f"{job}-changelog", CHANGELOG_CONFIG)))
    service = Service(
        name=f"job-{one.build.arm}",
        argv=(str(one.build.python), *one.adapter.job),
        env=dict(one.told) | names(told) | {"HUITOU_INSTANCE": told.instance},
        restart=False,
        cwd=one.build.root,
    )
    await ground.supervisor.start(service)
    try:
        samples = await _answered(ground, service.name, told, events)
    finally:
        await ground.supervisor.stop_one(service.name)
    answers = await read_topic(one.kafka, told.answers)
    exact = expected.compare(answers)
    if not exact.ok:
        raise RuntimeError(f"aggregator: {one.build.arm} is not exact: {exact}")
    measured = pace([answer.timestamp for answer in answers], samples)
    return {
        "events": Reading(measured.rate, "events/s", more_is_better=True),
        "CPU": Reading(measured.cpu, "s per 100,000 events"),
    }


async def _answered(ground: Ground, name: str, told: Told, events: int) -> list[Sample]:
    """Samples of the worker until every event has its answer."""
    samples, deadline = list[Sample](), clock.monotonic() + WITHIN
    async with LagReader(told.bootstrap) as lag:
        while True:
            size, pid = await lag.size(told.answers), ground.supervisor.pid(name)
            if pid is None:
                raise RuntimeError(f"aggregator: {name} ended too early, see {ground.supervisor.log(name)}")
            samples.append(Sample(clock.now_ms(), cpu.of_process(pid), cpu.memory_of(pid)))
            if size >= events:
                return samples
            if clock.monotonic() > deadline:
                raise TimeoutError(f"aggregator: {size} of {events} events answered within {WITHIN:.0f} s")
            await asyncio.sleep(LOOK_SECONDS)
