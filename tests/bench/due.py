"""How late a change is that time alone makes: many due instants within one minute of live time, from the tick to the change."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.demo.retail import QUICK
from deploy.demo.scenario import CHAIN, Event
from deploy.stack.stack import Stack, emptied
from services.trigger_engine.publish import publish_policy
from shared import clock
from shared.contract.broadcasts import Tick
from shared.contract.codec import decode_front
from shared.contract.public_records import SegmentChanged
from shared.contract.topics import CUSTOMER_EVENTS, SEGMENT_CHANGES
from shared.kafka.lag import LagReader, by_topic
from shared.shop import DAY, Shop
from tests.bench import cpu, workload
from tests.bench.chain import SERVICES, Say
from tests.bench.figures import Sheet, quantile
from tests.bench.latency import SHARES
from tests.bench.log import STAMPED
from tests.bench.wire import Client
from tests.oracle.reader import LogRecord, read_topic

MINUTE = 60_000
POSTED_PER_SECOND = 1_000
"""Slower than any machine this runs on; the due minute begins when everything should have been posted at that rate."""
SETTLE_SECONDS = 75
"""Beside the posting: contains the first epoch of the cuts, which moves everybody once."""
AFTER_SECONDS = 30.0
CONNECTIONS = 8

_decode = msgspec.json.Decoder(SegmentChanged).decode


async def measure(
    sheet: Sheet, say: Say, *, directory: Path, cache: Path, customers: int, policy: dict[str, Any]
) -> None:
    """A fresh stack with live ticks; everybody falls silent in one minute, evenly. RuntimeError if a change is missing or doubled."""
    emptied(directory)
    stack = Stack(directory=directory, services=(*SERVICES, "clock"), cache=cache, env=QUICK)
    async with stack, LagReader(stack.kafka) as lag:
        await _stamped_by_broker(stack.kafka)
        client = Client(stack.http_url, stack.secrets.read_write_key(), CONNECTIONS)
        await publish_policy(stack.kafka, policy)
        begin = clock.now_ms() + customers * 1_000 // POSTED_PER_SECOND + SETTLE_SECONDS * 1_000
        say(f"due: {customers:,} orders to post; their minute begins in {(begin - clock.now_ms()) / 1000:.0f} s")
        await client.post_all(workload.bodies(orders(customers, begin), 100))
        await _rest(lag, until=begin)
        sheet.add_load("due", "before")
        before = cpu.of_stack(stack)
        await asyncio.sleep((begin + MINUTE - clock.now_ms()) / 1000 + AFTER_SECONDS)
        spent = cpu.between(before, cpu.of_stack(stack))
        sheet.add_load("due", "after")
        log, changes = (
            await read_topic(stack.kafka, CUSTOMER_EVENTS.name),
            await read_topic(stack.kafka, SEGMENT_CHANGES.name),
        )
    late = lateness(changes, ticks_of(log), begin=begin)
    if len(late) != customers:
        raise RuntimeError(f"due: {len(late)} changes for {customers} customers")
    sheet.add("due: changes within the minute", len(late), "changes")
    for name, share in SHARES.items():
        sheet.add(f"due: tick → change, {name}", quantile(late, share), "ms")
    sheet.add("due: CPU of all", sum(spent.values()), "s")


def orders(customers: int, begin: int) -> Iterator[Event]:
    """One order of each, so long ago that the silence begins at an instant of its own within the minute from `begin` on."""
    silent = Shop().bounds.silent * DAY + 1
    for number in range(customers):
        at = begin + number * MINUTE // customers
        yield workload.order(number, workload.first_order(number), at - silent)


class Ticks:
    """The live ticks of one partition, in their order: what each says, and when the broker had it."""

    def __init__(self) -> None:
        self.as_of: list[int] = []
        self.appended: list[int] = []

    def add(self, as_of: int, appended: int) -> None:
        """The next tick; one that does not advance time is none."""
        if not self.as_of or as_of > self.as_of[-1]:
            self.as_of.append(as_of)
            self.appended.append(appended)

    def due(self, at: int) -> int:
        """When the tick that makes `at` due was appended; ValueError if none has."""
        place = bisect_left(self.as_of, at)
        if place == len(self.as_of):
            raise ValueError(f"no tick has reached {at}")
        return self.appended[place]


def ticks_of(log: Iterable[LogRecord]) -> dict[int, Ticks]:
    """By partition."""
    found: dict[int, Ticks] = defaultdict(Ticks)
    for record in log:
        if record.key is None and isinstance(one := decode_front(record.value or b""), Tick):
            found[record.partition].add(one.as_of, record.timestamp)
    return found


def lateness(changes: Iterable[LogRecord], ticks: dict[int, Ticks], *, begin: int) -> list[int]:
    """Ms from the append of the tick to that of the change, of every lifecycle change that time made in the minute from `begin`."""
    late = []
    for record in changes:
        one = _decode(record.value or b"")
        if one.dimension == "lifecycle" and one.cause == "time" and begin <= one.effective_at < begin + MINUTE:
            late.append(record.timestamp - ticks[record.partition].due(one.effective_at))
    return late


async def _stamped_by_broker(bootstrap: str) -> None:
    """The changes get the broker's time on this stack: the product leaves them the producer's, which lies before the append."""
    resource = ConfigResource(ConfigResourceType.TOPIC, SEGMENT_CHANGES.name, configs=SEGMENT_CHANGES.config | STAMPED)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([resource])
    finally:
        await admin.close()


async def _rest(lag: LagReader, *, until: int) -> None:
    """Return when the chain has taken all orders; TimeoutError if that is not before their minute. Ticks are always on their way."""
    resting = 0
    while resting < 3:
        if clock.now_ms() >= until:
            raise TimeoutError("due: the orders were not through the chain when their minute began")
        found = by_topic(await lag.read())
        behind = sum(records for group in CHAIN for records in found.get(group, {}).values())
        resting = resting + 1 if behind < 200 else 0
        await asyncio.sleep(0.5)
    await asyncio.sleep(max(0.0, (until - clock.now_ms()) / 1000 - 1.0))
