"""How long it takes from an order's HTTP request to its command on the log, at a fixed rate of arrivals, in real time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka import TopicPartition

from deploy.demo.retail import QUICK
from deploy.demo.verdict import IN_FLIGHT, outbox_states
from deploy.stack.stack import Stack, emptied
from services.trigger_engine.publish import publish_policy
from shared import clock
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.topics import OUTREACH_COMMANDS, PARTITIONS
from shared.kafka import clients
from shared.kafka.lag import LagReader, by_topic
from tests.bench import cpu, workload
from tests.bench.chain import HOPS, SERVICES, Say
from tests.bench.figures import Sheet, quantile
from tests.bench.wire import Client

RATE = 1_000
PER_REQUEST = 10
NEW_EACH = 20
"""Each twentieth event is the first order of a new member, whose thank-you is awaited."""
CONNECTIONS = 32
WARM_UP_SECONDS = 12.0
"""Begins with an epoch of the cuts: the first of a new population moves everybody at once, which no later one does."""
WITHIN = 120.0
RULE = "thank-you"
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}

_decode = msgspec.json.Decoder(OutreachCommand).decode


class Commands:
    """`async with Commands(bootstrap)`: when (monotonic seconds) each order's thank-you was read from the log, by order id."""

    def __init__(self, bootstrap: str) -> None:
        self._reader = clients.reader(bootstrap)
        self.read: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        await self._reader.start()
        self._reader.assign([TopicPartition(OUTREACH_COMMANDS.name, number) for number in range(PARTITIONS)])
        await self._reader.seek_to_beginning()
        self._task = asyncio.create_task(self._follow(), name="read the commands")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    async def _follow(self) -> None:
        while True:
            found = await self._reader.getmany(timeout_ms=1_000)
            now = clock.monotonic()
            for record in (one for records in found.values() for one in records):
                command = _decode(record.value)
                if isinstance(command, SendMessage) and command.rule == RULE:
                    self.read.setdefault(command.trigger_key, now)

    async def all_of(self, order_ids: Iterable[str]) -> None:
        """Return when the commands of all these orders are there; TimeoutError names how many are not."""
        missing = set(order_ids)
        deadline = clock.monotonic() + WITHIN
        while missing := missing - self.read.keys():
            if self._task.done():
                self._task.result()
            if clock.monotonic() > deadline:
                raise TimeoutError(f"{len(missing)} commands did not come within {WITHIN:.0f} s, e.g. {min(missing)}")
            await asyncio.sleep(0.1)


async def measure(
    sheet: Sheet, say: Say, *, directory: Path, cache: Path, seconds: float, policy: dict[str, Any]
) -> None:
    """A fresh stack with live ticks; `seconds` at 1,000 events/s after a warm-up, latencies from the scheduled instants.

    `policy` must not hold messages back by quiet hours.
    """
    emptied(directory)
    stack = Stack(directory=directory, services=(*SERVICES, "clock"), cache=cache, env=QUICK)
    async with stack, Commands(stack.kafka) as commands, LagReader(stack.kafka) as lag:
        client = Client(stack.http_url, stack.secrets.read_write_key(), CONNECTIONS)
        await publish_policy(stack.kafka, policy)
        newcomers = range(workload.MEMBERS, workload.MEMBERS + int((WARM_UP_SECONDS + seconds) * RATE) // NEW_EACH)
        await settle(stack, client, commands, newcomers)
        epoch_ms = int(stack.environment()["HUITOU_EPOCH_MS"])
        say("latency: members settled; waiting for the next epoch")
        await asyncio.sleep((epoch_ms - clock.now_ms() % epoch_ms) / 1000)
        warm, run = _loads(newcomers.start, seconds)
        say(f"latency: {WARM_UP_SECONDS:.0f} s of warm-up, then {seconds:.0f} s at {RATE} events/s")
        await client.post_on_schedule(warm.bodies, every=warm.every)
        sheet.add_load("latency", "before")
        before, began = cpu.of_stack(stack), clock.monotonic()
        answered = await client.post_on_schedule(run.bodies, every=run.every)
        took, spent = clock.monotonic() - began, cpu.between(before, cpu.of_stack(stack))
        behind = by_topic(await lag.read())
        sheet.add_load("latency", "after")
        await commands.all_of([*warm.due, *run.due])
    waits = [commands.read[order_id] - answered.start - due for order_id, due in run.due.items()]
    _report(sheet, waits=waits, acks=answered.took, rate=PER_REQUEST * len(run.bodies) / took, behind=behind)
    for name, cpu_seconds in spent.items():
        sheet.add(f"latency: CPU of {name}", cpu_seconds / took, "cores")
    sheet.add("latency: CPU of all", sum(spent.values()) / took, "cores")


async def settle(stack: Stack, client: Client, commands: Commands, newcomers: range) -> None:
    """Everybody known. A first order behind the introductions in each partition tells that these have gone through."""
    at = clock.now_ms()
    known = [one for number in newcomers for one in workload.introduction(number, at, reachable=True)]
    await client.post_all(workload.bodies(known, 100))
    await client.post_all(workload.bodies(workload.settled_members(at), 100))
    reachable = range(0, workload.MEMBERS, workload.REACHABLE_EACH)
    await commands.all_of(workload.first_order(number) for number in reachable)
    deadline = clock.monotonic() + WITHIN
    while clock.monotonic() < deadline:
        states = await outbox_states(stack.database_url)
        if not any(states.get(state) for state in IN_FLIGHT):
            return
        await asyncio.sleep(0.5)
    raise TimeoutError(f"latency: the outbox did not come to rest within {WITHIN:.0f} s")


def _loads(first_new: int, seconds: float) -> tuple[workload.Load, workload.Load]:
    """Warm-up and run, with newcomers of their own."""
    at, each = clock.now_ms(), {"rate": RATE, "size": PER_REQUEST, "new_each": NEW_EACH}
    warm = workload.open_load("warm", seconds=WARM_UP_SECONDS, first_new=first_new, at=at, **each)
    later = at + int(WARM_UP_SECONDS * 1000)
    return warm, workload.open_load("run", seconds=seconds, first_new=first_new + len(warm.due), at=later, **each)


def _report(
    sheet: Sheet, *, waits: list[float], acks: list[float], rate: float, behind: dict[str, dict[str, int]]
) -> None:
    sheet.add("latency: events sent and accepted", rate, "events/s", baseline=RATE)
    sheet.add("latency: commands awaited", len(waits), "commands")
    for name, share in SHARES.items():
        answer = quantile(acks, share) * 1000
        sheet.add(f"latency: request due → answer, {name}", answer, "ms")
        sheet.add(f"latency: request due → command read, {name}", quantile(waits, share) * 1000, "ms", baseline=answer)
    for group in (*HOPS, "notifier"):
        sheet.add(f"latency: lag of {group} at the end", sum(behind.get(group, {}).values()), "records")
