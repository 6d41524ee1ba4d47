"""The same job with one, two and four workers, and what a rebalance costs those who wait for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec

from deploy.stack.stack import Stack, emptied
from deploy.stack.supervisor import Service
from shared import clock
from shared.contract.topics import CUSTOMER_EVENTS
from shared.engine.fold.batch import Emit
from shared.kafka.lag import LagReader
from tests.bench import cpu
from tests.bench.aggregator.events import events as made
from tests.bench.aggregator.job import Answer
from tests.bench.chain import Say
from tests.bench.figures import Sheet, quantile
from tests.bench.log import Writer, keyed
from tests.bench.peers.contest import PER_CUSTOMER
from tests.bench.peers.hosts import ours
from tests.bench.peers.pace import pace
from tests.bench.peers.race import Ground
from tests.oracle.reader import LogRecord, read_topic

WORKERS = (1, 2, 4)
RATE = 1_000
"""Events a second while workers come and go."""
CALM_SECONDS = 6.0
"""Before, between and after the changes of membership."""
TAIL = 100_000

_decode = msgspec.json.Decoder(Answer).decode


async def measure(sheet: Sheet, say: Say, *, directory: Path, cache: Path, events: int) -> None:
    """A fresh broker with `events` on it; RuntimeError if an answer is wrong or missing."""
    emptied(directory)
    stack, customers = Stack(directory=directory, cache=cache), max(1, events // PER_CUSTOMER)
    async with stack, LagReader(stack.kafka) as lag, Writer(stack.kafka) as writer:
        ground = Ground(stack, lag, writer)
        await ground.ready()
        await writer.write(keyed(CUSTOMER_EVENTS.name, made("events", events, customers)))
        sheet.add_load("scale-out", "before")
        for count in WORKERS:
            rate = await _together(sheet, ground, count, events)
            say(f"scale-out: {count} workers: {rate:,.0f} events/s")
        await _coming_and_going(sheet, ground, keyed(CUSTOMER_EVENTS.name, made("tail", TAIL, customers)))
        sheet.add_load("scale-out", "after")


async def _together(sheet: Sheet, ground: Ground, count: int, events: int) -> float:
    """All workers join an empty group, then the log is read from its beginning."""
    told = await ground.names(f"scale-{count}", changelog=True)
    services = [ground.service(ours(), told, name=f"{told.job}-{number}", instance="") for number in range(count)]
    supervisor = ground.stack.supervisor
    await asyncio.gather(*(supervisor.start(service) for service in services))
    try:
        samples = await ground.answered(told, services[0].name, upto=events)
        spent = [cpu.of_process(pid) for one in services if (pid := supervisor.pid(one.name))]
        await ground.rest(told)
    finally:
        await _stopped(ground, services)
    answers = await read_topic(told.bootstrap, told.answers)
    await _exact(ground, answers, told.job)
    rate, name = pace([one.timestamp for one in answers], samples).rate, f"scale-out: {count} workers"
    sheet.add(name, rate, "events/s", baseline=sheet.value(f"scale-out: {WORKERS[0]} workers"))
    sheet.add(f"{name}, CPU with start", sum(spent) / events * 1e5, "s per 100,000 events")
    return rate


async def _coming_and_going(sheet: Sheet, ground: Ground, tail: Iterator[Emit]) -> None:
    """One worker under a steady load; a second joins, and leaves again. What counts is how long an event waits for its answer."""
    told = await ground.names("moving", changelog=True)
    first, second = (ground.service(ours(), told, name=f"moving-{name}", instance="") for name in "ab")
    supervisor, enough = ground.stack.supervisor, asyncio.Event()
    await supervisor.start(first)
    feeding = None
    try:
        await ground.answered(told, first.name, upto=await ground.lag.size(told.input))
        feeding = asyncio.create_task(ground.writer.feed(tail, rate=RATE, enough=enough))
        marks = [clock.now_ms()]
        await asyncio.sleep(CALM_SECONDS)
        marks.append(clock.now_ms())
        await supervisor.start(second)
        await asyncio.sleep(CALM_SECONDS)
        marks.append(clock.now_ms())
        await supervisor.stop_one(second.name)
        await asyncio.sleep(CALM_SECONDS)
        marks.append(clock.now_ms())
        enough.set()
        await feeding
        await ground.rest(told)
    finally:
        enough.set()
        if feeding is not None:
            await asyncio.gather(feeding, return_exceptions=True)
        await _stopped(ground, [first, second])
    answers = await read_topic(told.bootstrap, told.answers)
    await _exact(ground, answers, told.job)
    for name, since, until in zip(("alone", "a second joins", "it leaves"), marks[:-1], marks[1:], strict=True):
        waits = waits_between(answers, since, until)
        sheet.add(f"scale-out: wait for an answer, {name}, p50", quantile(waits, 0.5), "ms")
        sheet.add(f"scale-out: wait for an answer, {name}, max", quantile(waits, 1.0), "ms")


async def _stopped(ground: Ground, services: list[Service]) -> None:
    for service in services:
        if service.name in ground.stack.supervisor.names:
            await ground.stack.supervisor.stop_one(service.name)


async def _exact(ground: Ground, answers: list[LogRecord], job: str) -> None:
    ground.expected.extend(await read_topic(ground.stack.kafka, CUSTOMER_EVENTS.name))
    exact = ground.expected.compare(answers)
    if not exact.ok:
        raise RuntimeError(f"{job}: not exact: {exact}")


def waits_between(answers: list[LogRecord], since: int, until: int) -> list[int]:
    """Ms from the append of each event in [since, until) to that of its first answer; ValueError where there is none."""
    waits: dict[tuple[str, int], int] = {}
    for record in answers:
        one = _decode(record.value or b"")
        if since <= one.appended < until:
            place, wait = (one.customer, one.offset), record.timestamp - one.appended
            waits[place] = min(wait, waits.get(place, wait))
    if not waits:
        raise ValueError("no event was answered in that time")
    return list(waits.values())
