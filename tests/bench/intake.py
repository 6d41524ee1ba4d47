"""What the HTTP border takes by itself: events a second at batch 100 beside a bare route, and the wait of single events."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx2
import msgspec
from aiokafka import TopicPartition

from deploy.create_topics import create
from deploy.stack import ports
from deploy.stack.stack import Stack, emptied
from deploy.stack.supervisor import Service
from shared import clock
from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS, REJECTED_EVENTS
from shared.kafka import clients
from tests.bench import cpu, segment_load, workload
from tests.bench.chain import Say
from tests.bench.figures import Sheet, quantile
from tests.bench.wire import Client

PER_REQUEST = 100
CONNECTIONS = 8
WARM_UPS, ROUNDS = 1, 3
"""In turn, of which the median counts: what else the machine does meets both alike."""
SINGLES = 500
"""Single events a second."""
SINGLE_CONNECTIONS = 32
PER_SECOND = 4_000
"""Spacing of the events' own instants."""
STEADY = 0.7
"""Of the rate found, offered on a schedule."""
SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}
BARE, OURS = "bare route", "intake"
BARE_TOPIC = "bench-bare-v1"


class _Topic(msgspec.Struct, frozen=True):
    name: str
    partitions: int
    config: dict[str, str]


async def measure(sheet: Sheet, say: Say, *, directory: Path, cache: Path, events: int, seconds: float) -> None:
    """Broker, ingest and the bare route; nobody reads what they write. `seconds`: of each schedule."""
    emptied(directory)
    stack = Stack(directory=directory, services=("ingest",), cache=cache)
    async with stack:
        await create(stack.kafka, [_Topic(BARE_TOPIC, PARTITIONS, {})])
        url = await _start_bare(stack)
        key = stack.secrets.read_write_key()
        clients_of = {OURS: Client(stack.http_url, key, CONNECTIONS, path="/v1/batch")}
        clients_of[BARE] = Client(url, key, CONNECTIONS, path="/v1/batch")
        sheet.add_load("intake", "before")
        rate = await _throughput(sheet, say, stack, clients_of, events)
        await _typed(sheet, say, Client(stack.http_url, key, CONNECTIONS), events)
        steady = await _steady(sheet, say, clients_of[OURS], rate * STEADY, seconds)
        single = Client(stack.http_url, key, SINGLE_CONNECTIONS, path="/v1/track")
        singles = await _singles(sheet, say, single, seconds)
        sheet.add_load("intake", "after")
        await _nothing_lost(stack, (WARM_UPS + ROUNDS + 1) * events + steady + singles)
        if again := [name for name in stack.supervisor.names if stack.supervisor.restarts(name)]:
            raise RuntimeError(f"restarted while measured: {', '.join(again)}; see {stack.directory}/logs")


async def _start_bare(stack: Stack) -> str:
    (port,) = ports.free(1)
    url = f"http://{ports.HOST}:{port}"

    async def ready() -> bool:
        try:
            async with httpx2.AsyncClient(trust_env=False, timeout=2.0) as client:
                return (await client.get(url)).status_code == 200
        except httpx2.HTTPError:
            return False

    argv = (sys.executable, "-m", "tests.bench.bare", stack.kafka, str(port), BARE_TOPIC)
    await stack.supervisor.start(Service(name=BARE, argv=argv, ready=ready))
    return url


async def _throughput(sheet: Sheet, say: Say, stack: Stack, clients_of: dict[str, Client], events: int) -> float:
    """Events a second of intake, all connections busy: the median of rounds in turn with the bare route."""
    rates: dict[str, list[float]] = {name: [] for name in clients_of}
    spent: dict[str, list[float]] = {name: [] for name in clients_of}
    service = {OURS: "ingest", BARE: BARE}
    for number in range(-WARM_UPS, ROUNDS):
        for name, client in clients_of.items():
            bodies = _batches(f"round-{number}-{service[name]}", events)
            pid = stack.supervisor.pid(service[name]) or 0
            before, began = cpu.of_process(pid), clock.monotonic()
            await client.post_all(bodies)
            took = clock.monotonic() - began
            if number >= 0:
                rates[name].append(events / took)
                spent[name].append((cpu.of_process(pid) - before) / events * 1e5)
                say(f"intake: {name}, round {number + 1}: {events / took:,.0f} events/s")
    bare, ours = (statistics.median(rates[name]) for name in (BARE, OURS))
    sheet.add("intake: bare route at batch 100", bare, "events/s")
    sheet.add("intake: at batch 100 against the bare route", ours, "events/s", baseline=bare)
    bare_cpu, our_cpu = (statistics.median(spent[name]) for name in (BARE, OURS))
    sheet.add("intake: CPU at batch 100 against the bare route", our_cpu, "s per 100,000 events", baseline=bare_cpu)
    return ours


async def _typed(sheet: Sheet, say: Say, client: Client, events: int) -> None:
    bodies = workload.bodies(workload.day("typed", events, clock.now_ms(), per_second=PER_SECOND), PER_REQUEST)
    began = clock.monotonic()
    await client.post_all(bodies)
    rate = events / (clock.monotonic() - began)
    say(f"intake: typed API: {rate:,.0f} events/s")
    sheet.add("intake: typed API at batch 100", rate, "events/s")


async def _steady(sheet: Sheet, say: Say, client: Client, rate: float, seconds: float) -> int:
    """Batches on a schedule, open loop: what is promised at seven tenths of what goes in at most."""
    count = max(1, int(rate * seconds / PER_REQUEST))
    bodies = _batches("steady", count * PER_REQUEST)
    say(f"intake: {count} requests of {PER_REQUEST} at {rate:,.0f} events/s, open loop")
    began = clock.monotonic()
    answered = await client.post_on_schedule(bodies, every=PER_REQUEST / rate)
    took = clock.monotonic() - began
    sheet.add("intake: open loop at batch 100", count * PER_REQUEST / took, "events/s", baseline=rate)
    _waits(sheet, "batch 100, open loop", answered.took)
    return count * PER_REQUEST


async def _singles(sheet: Sheet, say: Say, client: Client, seconds: float) -> int:
    every = segment_load.messages("single", int(SINGLES * seconds), clock.now_ms(), per_second=SINGLES)
    say(f"intake: {len(every)} single events at {SINGLES} a second, open loop")
    answered = await client.post_on_schedule([msgspec.json.encode(each) for each in every], every=1 / SINGLES)
    _waits(sheet, f"{SINGLES} single events/s", answered.took)
    return len(every)


def _waits(sheet: Sheet, name: str, took: Sequence[float]) -> None:
    for share, size in SHARES.items():
        sheet.add(f"intake: {name}, {share}", quantile(took, size) * 1_000, "ms")


def _batches(name: str, events: int) -> list[bytes]:
    return segment_load.batches(segment_load.messages(name, events, clock.now_ms(), per_second=PER_SECOND), PER_REQUEST)


async def _nothing_lost(stack: Stack, accepted: int) -> None:
    """RuntimeError unless the log holds every event that was accepted, and none was rejected."""
    reader = clients.reader(stack.kafka)
    await reader.start()
    try:
        for topic, expected in ((CUSTOMER_EVENTS.name, accepted), (REJECTED_EVENTS.name, 0)):
            ends = await reader.end_offsets([TopicPartition(topic, number) for number in range(PARTITIONS)])
            if sum(ends.values()) != expected:
                raise RuntimeError(f"intake: {topic} holds {sum(ends.values())} records, not {expected}")
    finally:
        await reader.stop()
