"""The Kafka host on a real broker: kills, rebalances, refusals and truncation, each with the rule that answers it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.create_topics import create
from deploy.stack.environment import interpreter
from deploy.stack.kafka import Kafka
from deploy.stack.supervisor import Supervisor
from shared import topics
from shared.chain import Tick
from shared.codec import encode
from shared.events import OrderPlaced
from shared.partitioning import partition_of
from shared.streams import clients, recovery
from shared.streams.head import PARTITION_KEY, unpack
from shared.streams.kafka_host import FATAL
from shared.streams.partition import Partition
from shared.streams.rules import BrokenInvariantError, Rule
from tests.support.stack import jar_cache
from tests.support.tally import Tally, TallyFold

pytestmark = pytest.mark.timeout(120)
USED = (
    topics.CUSTOMER_EVENTS,
    topics.PROFILE_UPDATES,
    topics.SEGMENTS,
    topics.DEAD_LETTERS,
    topics.changelog("profile"),
)
CUSTOMERS = [f"c{number}" for number in range(40)]


@pytest_asyncio.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[str]:
    """A broker of the test's own, with the topics that the tally uses."""
    supervisor = Supervisor(tmp_path / "logs", env=os.environ)
    broker = Kafka(tmp_path / "kafka", cache=jar_cache())
    await broker.start(supervisor)
    try:
        await create(broker.bootstrap, USED)
        yield broker.bootstrap
    finally:
        await supervisor.stop()


@pytest.fixture(params=("kafka", "faust"))
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs once per host; what one of them alone can promise stays without it."""
    monkeypatch.setenv("HUITOU_HOST", request.param)


on_either_host = pytest.mark.usefixtures("either")


class Process:
    """One worker; `kill` is SIGKILL."""

    def __init__(self, bootstrap: str, *, instance: str = "", off: str = "") -> None:
        env = {**os.environ, "HUITOU_KAFKA": bootstrap, "HUITOU_RULES_OFF": off}
        if instance:
            env["HUITOU_INSTANCE"] = instance
        self._process = subprocess.Popen(
            [interpreter(env), "-m", "tests.support.tally_worker"], env=env, stderr=subprocess.PIPE, text=True
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    async def ended(self, within: float) -> tuple[int, str]:
        """Exit code and what it said."""
        _, said = await asyncio.to_thread(self._process.communicate, None, within)
        return self._process.returncode, said

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def worker(bootstrap: str, *, instance: str = "", off: str = "") -> Iterator[Process]:
    process = Process(bootstrap, instance=instance, off=off)
    try:
        yield process
    finally:
        process.kill()


@on_either_host
async def test_killed_again_and_again_the_state_is_that_of_the_log(kafka: str) -> None:
    feeding = asyncio.create_task(_feed(kafka, 6_000, per_second=900))
    rnd = random.Random(3)
    behind = []
    for _ in range(6):
        with worker(kafka, instance="tally-1"):
            await asyncio.sleep(rnd.uniform(0.8, 1.6))
            behind.append(await _lag(kafka))
    await feeding
    with worker(kafka, instance="tally-1"):
        await _caught_up(kafka)

    assert any(behind), "no kill met a record in flight: the test proves nothing"
    assert await _state(kafka) == await _expected(kafka)


@on_either_host
async def test_two_workers_share_the_partitions_and_nothing_is_counted_twice(kafka: str) -> None:
    feeding = asyncio.create_task(_feed(kafka, 4_000, per_second=700))
    with worker(kafka), contextlib.ExitStack() as later:
        await asyncio.sleep(1.5)
        second = later.enter_context(worker(kafka))
        await asyncio.sleep(2.5)
        second.terminate()
        await second.ended(within=15)
        await feeding
        await _caught_up(kafka)

    assert await _state(kafka) == await _expected(kafka)


@on_either_host
async def test_a_refused_produce_ends_the_process_and_commits_nothing(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([topics.PROFILE_UPDATES.name])
    await asyncio.sleep(1)
    tiny = NewTopic(topics.PROFILE_UPDATES.name, topics.PARTITIONS, 1, topic_configs={"max.message.bytes": "10"})
    await admin.create_topics([tiny])
    await admin.close()
    await _feed(kafka, 20, per_second=1000)

    with worker(kafka) as process:
        code, said = await process.ended(within=30)

    assert code == FATAL
    assert "MessageSizeTooLarge" in said
    committed = await clients.commits(kafka, "profile", topics.CUSTOMER_EVENTS.name)
    assert {commit.offset for commit in committed.values()} == {0}


@on_either_host
async def test_a_log_that_lost_records_stops_the_worker_with_a_sentence(kafka: str) -> None:
    await _feed(kafka, 50, per_second=1000)
    with worker(kafka, instance="tally-1"):
        await _caught_up(kafka)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_topics([topics.CUSTOMER_EVENTS.name])
    await admin.close()
    await asyncio.sleep(1)
    await create(kafka, [topics.CUSTOMER_EVENTS])
    await _feed(kafka, 10, per_second=1000)

    with worker(kafka, instance="tally-1") as process:
        code, said = await process.ended(within=30)

    assert code == FATAL
    assert "the log was made anew" in said


async def test_a_changed_last_record_is_noticed_by_its_checksum(kafka: str) -> None:
    await _feed(kafka, 50, per_second=1000)
    with worker(kafka):
        await _caught_up(kafka)
    committed = await clients.commits(kafka, "profile", topics.CUSTOMER_EVENTS.name)
    forged = {number: c._replace(metadata="0:00000000") for number, c in committed.items()}

    with pytest.raises(BrokenInvariantError, match="lost or changed records"):
        await _positions(kafka, forged, frozenset())
    assert await _positions(kafka, committed, frozenset())
    assert await _positions(kafka, forged, frozenset({Rule.CHECKSUM}))


async def test_ticks_alone_are_passed_on_at_once_and_persisted_every_five_seconds(kafka: str) -> None:
    await _feed(kafka, 50, per_second=1000)
    with worker(kafka):
        await _caught_up(kafka)
        before = await _ends(kafka, topics.changelog("profile").name)
        passed = await _ends(kafka, topics.PROFILE_UPDATES.name)
        await _ticks(kafka, range(100, 110))
        await asyncio.sleep(1)
        soon = await _ends(kafka, topics.changelog("profile").name)
        went = await _ends(kafka, topics.PROFILE_UPDATES.name)
        await asyncio.sleep(6)
        later = await _ends(kafka, topics.changelog("profile").name)

    assert went - passed == 10 * topics.PARTITIONS
    assert soon - before == 0
    assert later - before == topics.PARTITIONS


@on_either_host
async def test_poison_goes_to_the_dead_letters_and_the_stream_goes_on(kafka: str) -> None:
    await _put(kafka, [("c1", b"\xff{"), ("c1", encode(_order(1, "poison"))), ("c1", encode(_order(2)))])
    with worker(kafka):
        await _caught_up(kafka)

    letters = [msgspec.json.decode(r.value) for r in await _read(kafka, topics.DEAD_LETTERS.name)]
    assert [(letter["offset"], letter["customer"], letter["reason"].split(":")[0]) for letter in letters] == [
        (0, "c1", "DecodeError"),
        (1, "c1", "ZeroDivisionError"),
    ]
    assert (await _state(kafka))["c1"].total == 2


# --- the workload and what must come of it


def _order(number: int, order_id: str = "") -> OrderPlaced:
    return OrderPlaced(id=f"e{number}", at=number, order_id=order_id or f"o{number}", amount=number, currency="CNY")


async def _feed(kafka: str, count: int, *, per_second: int) -> None:
    rnd = random.Random(7)
    producer = clients.producer(kafka, linger_ms=2)
    await producer.start()
    for number in range(count):
        key = rnd.choice(CUSTOMERS).encode()
        await producer.send(topics.CUSTOMER_EVENTS.name, encode(_order(number)), key, partition=partition_of(key))
        if number % 25 == 24:
            await _tick_all(producer, number)
            await asyncio.sleep(25 / per_second)
    await producer.stop()


async def _tick_all(producer: AIOKafkaProducer, as_of: int) -> None:
    for number in range(topics.PARTITIONS):
        await producer.send(topics.CUSTOMER_EVENTS.name, encode(Tick(as_of, scenario=True)), partition=number)


async def _ticks(kafka: str, instants: range) -> None:
    producer = clients.producer(kafka)
    await producer.start()
    for as_of in instants:
        await _tick_all(producer, as_of)
    await producer.stop()


async def _put(kafka: str, records: list[tuple[str, bytes]]) -> None:
    producer = clients.producer(kafka)
    await producer.start()
    for key, value in records:
        await producer.send_and_wait(
            topics.CUSTOMER_EVENTS.name, value, key.encode(), partition=partition_of(key.encode())
        )
    await producer.stop()


async def _read(kafka: str, topic: str) -> list[Any]:
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


async def _ends(kafka: str, topic: str) -> int:
    reader = clients.reader(kafka)
    await reader.start()
    ends = await reader.end_offsets([TopicPartition(topic, number) for number in range(topics.PARTITIONS)])
    await reader.stop()
    return int(sum(ends.values()))


async def _lag(kafka: str) -> int:
    committed = await clients.commits(kafka, "profile", topics.CUSTOMER_EVENTS.name)
    done = sum(int(commit.offset) for commit in committed.values())
    return await _ends(kafka, topics.CUSTOMER_EVENTS.name) - done


async def _caught_up(kafka: str) -> None:
    async with asyncio.timeout(40):
        while await _lag(kafka):
            await asyncio.sleep(0.2)


async def _positions(kafka: str, committed: Any, off: frozenset[Rule]) -> dict[int, int]:
    cores = {n: Partition(TallyFold(), partition=n, seal=lambda *_: "") for n in range(topics.PARTITIONS)}
    reader: AIOKafkaConsumer = clients.reader(kafka)
    await reader.start()
    try:
        return await recovery.positions(reader, topics.CUSTOMER_EVENTS.name, cores, committed, off=off)
    finally:
        await reader.stop()


async def _state(kafka: str) -> dict[str, Tally]:
    latest = {r.key: r.value for r in await _read(kafka, topics.changelog("profile").name) if r.key != PARTITION_KEY}
    return {key.decode(): msgspec.msgpack.decode(unpack(value)[1], type=Tally) for key, value in latest.items()}


async def _expected(kafka: str) -> dict[str, Tally]:
    """The log folded once, in order, without any host: totals and how often each customer aged."""
    answer: dict[str, Tally] = {}
    for record in await _read(kafka, topics.CUSTOMER_EVENTS.name):
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
