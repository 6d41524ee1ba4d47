"""The tally on the tests' own broker, as worker processes: the workload, what must come of it, and what is there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from deploy.stack.environment import interpreter
from shared.contract import topics
from shared.contract.broadcasts import Tick
from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.contract.partitioner import partition_of
from shared.engine.state.head import PARTITION_KEY, unpack
from shared.kafka import clients
from shared.kafka.lag import LagReader
from tests.support.stack import fresh_topics
from tests.support.tally import TALLY_NAME, Tally, TallyFold

USED = (topics.CUSTOMER_EVENTS, topics.PROFILE_UPDATES, topics.SEGMENTS, topics.DEAD_LETTERS)
CUSTOMERS = [f"c{number}" for number in range(40)]


@pytest_asyncio.fixture
async def kafka(own_broker: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A broker whose topics are empty, and a name for the tally under which nobody was ever in a group."""
    monkeypatch.setenv(TALLY_NAME, f"tally-{secrets.token_hex(4)}")
    async with fresh_topics(own_broker, (*USED, changelog())):
        yield own_broker


def group() -> str:
    """Of the test's tally."""
    return TallyFold().name


def changelog() -> topics.Topic:
    """Of the test's tally."""
    return topics.changelog(TallyFold().name)  # type: ignore[arg-type]


class Process:
    """One worker; `kill` is SIGKILL."""

    def __init__(
        self, bootstrap: str, *, instance: str = "", off: str = "", session: float = 10, metrics: int = 0
    ) -> None:
        env = {
            **os.environ,
            "HUITOU_KAFKA": bootstrap,
            "HUITOU_SESSION": str(session),
        }
        if instance:
            env["HUITOU_INSTANCE"] = instance
        if metrics:
            env["HUITOU_METRICS_PORT"] = str(metrics)
        self._process = subprocess.Popen(
            [interpreter(env), "-m", "tests.support.tally_worker", *(("--off", off) if off else ())],
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self) -> str:
        """What it said, if nobody has asked yet."""
        self._process.kill()
        return "" if self._process.stderr is None or self._process.stderr.closed else self._process.communicate()[1]

    async def freeze(self) -> None:
        """Have it stop itself in its next send to the changelog."""
        self._process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(20):
            while not self._stopped():
                await asyncio.sleep(0.02)

    def _stopped(self) -> bool:
        return Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").split()[2] == "T"

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    async def ended(self, within: float) -> tuple[int, str]:
        """Exit code and what it said."""
        _, said = await asyncio.to_thread(self._process.communicate, None, within)
        return self._process.returncode, said

    async def hears(self) -> None:
        """Until it handles SIGTERM: a worker that is told to stop before it can hear just dies."""
        async with asyncio.timeout(20):
            while not self._caught() & 1 << (signal.SIGTERM - 1):
                await asyncio.sleep(0.02)

    def _caught(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def worker(
    bootstrap: str, *, instance: str = "", off: str = "", session: float = 10, metrics: int = 0
) -> Iterator[Process]:
    process = Process(bootstrap, instance=instance, off=off, session=session, metrics=metrics)
    try:
        yield process
    finally:
        process.kill()


async def readiness(port: int) -> list[int]:
    """What /readyz of a starting worker answers, from the first answer until it is ready."""
    seen: list[int] = []
    async with asyncio.timeout(60), httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        while not seen or seen[-1] != 200:
            try:
                seen.append((await client.get(f"http://127.0.0.1:{port}/readyz")).status_code)
            except httpx2.ConnectError:
                await asyncio.sleep(0.02)
    return seen


async def series(port: int) -> dict[str, list[float]]:
    """The worker's series by name."""
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        families = list(text_string_to_metric_families((await client.get(f"http://127.0.0.1:{port}/metrics")).text))
    found: dict[str, list[float]] = {}
    for sample in (sample for family in families for sample in family.samples):
        found.setdefault(sample.name, []).append(sample.value)
    return found


async def series_once(port: int, settled: Callable[[dict[str, list[float]]], bool]) -> dict[str, list[float]]:
    """The worker's series as soon as they are `settled`, or as they are after ten seconds: meters are told once a second."""
    for _ in range(100):
        if settled(found := await series(port)):
            break
        await asyncio.sleep(0.1)
    return found


# --- the workload and what must come of it


def order(number: int, order_id: str = "") -> OrderPlaced:
    return OrderPlaced(id=f"e{number}", at=number, order_id=order_id or f"o{number}", amount=number, currency="CNY")


async def feed(kafka: str, count: int, *, per_second: int, start: int = 0) -> None:
    rnd = random.Random(7)
    producer = clients.producer(kafka, linger_ms=2)
    await producer.start()
    for number in range(start, start + count):
        key = rnd.choice(CUSTOMERS).encode()
        await producer.send(topics.CUSTOMER_EVENTS.name, encode(order(number)), key, partition=partition_of(key))
        if number % 25 == 24:
            await tick_all(producer, number)
            await asyncio.sleep(25 / per_second)
    await producer.stop()


async def tick_all(producer: AIOKafkaProducer, as_of: int) -> None:
    for number in range(topics.PARTITIONS):
        await producer.send(topics.CUSTOMER_EVENTS.name, encode(Tick(as_of, scenario=True)), partition=number)


async def ticks(kafka: str, instants: range) -> None:
    producer = clients.producer(kafka)
    await producer.start()
    for as_of in instants:
        await tick_all(producer, as_of)
    await producer.stop()


async def put(kafka: str, records: list[tuple[str, bytes]]) -> None:
    producer = clients.producer(kafka)
    await producer.start()
    for key, value in records:
        await producer.send_and_wait(
            topics.CUSTOMER_EVENTS.name, value, key.encode(), partition=partition_of(key.encode())
        )
    await producer.stop()


async def read(kafka: str, topic: str) -> list[Any]:
    reader = clients.reader(kafka)
    await reader.start()
    places = [TopicPartition(topic, number) for number in range(topics.PARTITIONS)]
    ends = await reader.end_offsets(places)
    reader.assign(places)
    await reader.seek_to_beginning(*places)
    found: list[Any] = []
    while len(found) < sum(ends.values()):
        for records in (await reader.getmany(timeout_ms=200)).values():
            found += records
    await reader.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def ends(kafka: str, topic: str) -> int:
    reader = clients.reader(kafka)
    await reader.start()
    ends = await reader.end_offsets([TopicPartition(topic, number) for number in range(topics.PARTITIONS)])
    await reader.stop()
    return int(sum(ends.values()))


async def lag(kafka: str) -> int:
    async with _reader(kafka) as reader:
        return await _behind(reader)


def _reader(kafka: str) -> LagReader:
    return LagReader(kafka, inputs={group(): (topics.CUSTOMER_EVENTS.name,)}, others=False)


async def _behind(reader: LagReader) -> int:
    return sum(one.lag for one in (await reader.read())[group()])


async def caught_up(kafka: str) -> None:
    async with asyncio.timeout(40), _reader(kafka) as reader:
        while await _behind(reader):
            await asyncio.sleep(0.2)


async def state(kafka: str) -> dict[str, Tally]:
    """By the last record of each key: what compaction keeps."""
    latest = {r.key: r.value for r in await read(kafka, changelog().name) if r.key != PARTITION_KEY}
    return {key.decode(): msgspec.msgpack.decode(unpack(value)[1], type=Tally) for key, value in latest.items()}


async def expected(kafka: str) -> dict[str, Tally]:
    """The log folded once, in order, without any host: totals and how often each customer aged."""
    answer: dict[str, Tally] = {}
    for record in await read(kafka, topics.CUSTOMER_EVENTS.name):
        decoded = TallyFold.records(record.value)
        if isinstance(decoded, OrderPlaced):
            old = answer.get(record.key.decode(), Tally())
            last = max(old.last, decoded.at)
            answer[record.key.decode()] = Tally(
                old.orders | {decoded.order_id: decoded.amount},
                old.total + decoded.amount,
                last,
                old.aged,
                last + 5_000,
            )
        elif isinstance(decoded, Tick):
            for key, tally in answer.items():
                if partition_of(key.encode()) == record.partition and tally.due <= decoded.as_of:
                    answer[key] = msgspec.structs.replace(tally, aged=tally.aged + 1, due=2**63 - 1)
    return answer
