"""One host runs the job: started, fed, watched, killed and started again; says what the log and the process showed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec

from deploy.create_topics import create
from deploy.stack.stack import Stack
from deploy.stack.supervisor import Service
from shared import clock
from shared.contract.topics import CHANGELOG_CONFIG, CUSTOMER_EVENTS, DEAD_LETTERS, PARTITIONS
from shared.engine.fold.batch import Emit
from shared.kafka.lag import LagReader, by_topic
from tests.bench import cpu
from tests.bench.aggregator.told import Told, environment
from tests.bench.log import STAMPED, Bare, Writer
from tests.bench.peers.exact import Exactness, Expected
from tests.bench.peers.hosts import Host
from tests.bench.peers.pace import Pace, Sample, back_after, pace
from tests.oracle.reader import read_topic

ROOT = Path(__file__).parents[3]
WITHIN = 600.0
REST_WITHIN = 60.0
LOOK_SECONDS = 0.1
TAIL_RATE = 500
"""Events a second while a host is killed."""
BEFORE_KILL_SECONDS = 2.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one host."""

    pace: Pace
    start: int
    """Ms from the start of the process to its first output."""
    rss: int
    """Bytes, when all was answered."""
    back: int | None
    """Ms from kill -9 to the next output; None where it was not killed."""
    exact: Exactness


class Ground:
    """A stack with the input on it, and what must come out; `ready` creates the topics that all runs share."""

    def __init__(self, stack: Stack, lag: LagReader, writer: Writer) -> None:
        self.stack, self.lag, self.writer, self.expected = stack, lag, writer, Expected()

    async def ready(self) -> None:
        """An empty input."""
        await create(self.stack.kafka, (CUSTOMER_EVENTS, DEAD_LETTERS))

    async def names(self, job: str, *, changelog: bool) -> Told:
        """New topics for one run."""
        answers = f"{job}-answers"
        topics = [Bare(answers, STAMPED), *([Bare(f"{job}-changelog", CHANGELOG_CONFIG)] if changelog else [])]
        await create(self.stack.kafka, topics)
        directory = str(self.stack.directory / job)
        return Told(self.stack.kafka, job, CUSTOMER_EVENTS.name, answers, f"{job}-1", directory, PARTITIONS)

    def service(self, host: Host, told: Told, *, name: str = "", instance: str | None = None) -> Service:
        """A process of the host; with `instance` "" without static membership."""
        member = told.instance if instance is None else instance
        env = self.stack.environment() | host.env | environment(told) | {"HUITOU_INSTANCE": member}
        return Service(
            name=name or told.job,
            argv=host.argv,
            env={key: value for key, value in env.items() if value},
            restart=False,
            stop_within=10.0,
            cwd=ROOT,
        )

    async def answered(self, told: Told, worker: str, *, upto: int) -> list[Sample]:
        """Samples of the worker until there are `upto` answers; TimeoutError, or RuntimeError where it ends before."""
        samples, deadline = list[Sample](), clock.monotonic() + WITHIN
        while True:
            size = await self.lag.size(told.answers)
            samples.append(self._sample(worker))
            if size >= upto:
                return samples
            if clock.monotonic() > deadline:
                raise TimeoutError(f"{worker}: {size} of {upto} events answered within {WITHIN:.0f} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def rest(self, told: Told) -> None:
        """Return when the group has committed the whole log, or after a while: what is missing then is missing."""
        deadline = clock.monotonic() + REST_WITHIN
        while clock.monotonic() < deadline:
            lag = by_topic(await self.lag.read()).get(told.job, {}).get(told.input, 1)
            if not lag:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def restarted(self, service: Service) -> int:
        """Kill -9, and start again once the process is dead; the wall time of the kill, ms."""
        supervisor, at = self.stack.supervisor, clock.now_ms()
        supervisor.kill(service.name)
        while supervisor.status(service.name) == "running":
            await asyncio.sleep(0.005)
        await supervisor.start(service)
        return at

    def _sample(self, worker: str) -> Sample:
        pid = self.stack.supervisor.pid(worker)
        if pid is None:
            raise RuntimeError(f"{worker}: ended too early, see {self.stack.supervisor.log(worker)}")
        return Sample(clock.now_ms(), cpu.of_process(pid), cpu.memory_of(pid))


async def race(ground: Ground, host: Host, job: str, *, tail: Iterator[Emit] | None) -> Result:
    """The whole log from its beginning; with a `tail` the host is then killed while more comes."""
    told = await ground.names(job, changelog=host.changelog)
    size = await ground.lag.size(told.input)
    service, began = ground.service(host, told), clock.now_ms()
    supervisor = ground.stack.supervisor
    await supervisor.start(service)
    killed: int | None = None
    try:
        samples = await ground.answered(told, service.name, upto=size)
        done = clock.now_ms()
        if tail is not None:
            killed = await _killed(ground, told, service, tail)
        await ground.rest(told)
    finally:
        await supervisor.stop_one(service.name)
    answers = await read_topic(told.bootstrap, told.answers)
    ground.expected.extend(await read_topic(told.bootstrap, told.input))
    stamps = [one.timestamp for one in answers]
    measured = pace([stamp for stamp in stamps if stamp <= done], samples)
    return Result(
        pace=measured,
        start=measured.first - began,
        rss=samples[-1].rss,
        back=None if killed is None else back_after(stamps, killed),
        exact=ground.expected.compare(answers),
    )


async def _killed(ground: Ground, told: Told, service: Service, tail: Iterator[Emit]) -> int:
    """Feed, kill, and go on feeding until the host answers again; when it was killed."""
    enough = asyncio.Event()
    feeding = asyncio.create_task(ground.writer.feed(tail, rate=TAIL_RATE, enough=enough))
    try:
        await asyncio.sleep(BEFORE_KILL_SECONDS)
        killed = await ground.restarted(service)
        before = await ground.lag.size(told.answers)
        await ground.answered(told, service.name, upto=before + TAIL_RATE)
    finally:
        enough.set()
        await feeding
    return killed
