"""Faults that come as data: too large, undecodable, all of one customer, told again after it was forgotten."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import httpx2
import msgspec
import sqlalchemy as sa
from aiokafka.errors import MessageSizeTooLargeError
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.demo.people import event
from deploy.demo.retail import customer_ids
from deploy.demo.scenario import Event
from shared.contract.codec import encode
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.facts import OrderPlaced, Tracked
from shared.contract.partitioner import partition_of
from shared.contract.topics import (
    CUSTOMER_EVENTS,
    MAX_RECORD,
    OUTREACH_COMMANDS,
    PARTITIONS,
    PROFILE_UPDATES,
    SEGMENT_UPDATES,
)
from shared.kafka import clients
from tests.chaos.chaos import Chaos, Planted
from tests.oracle.reader import read_topic

POISONED = (CUSTOMER_EVENTS, PROFILE_UPDATES, SEGMENT_UPDATES, OUTREACH_COMMANDS)
IN_A_ROW = 100
"""Below the number at which a worker stops (shared/engine/fold/poison_limit.py)."""
BEYOND_LIMITS = 10**15
TEXT = 31_000
"""Bytes of one text that ingest still takes."""
TEXTS_AT_THE_LIMIT = 8
REPEATED = 2_000
"""Records of each inner topic."""
HOT_POSTS = 40
HOT_EVENTS = 50
HELD = ("sent", "assumed_sent", "delivered")
"""States after which a row of the outbox could be tidied away."""


async def oversized(chaos: Chaos, rnd: random.Random) -> str:
    """Events and records at the limits are taken, above them refused; nobody dies of either."""
    token, at = f"{rnd.randrange(1 << 40):x}", chaos.scenario.now
    customer = rnd.choice(chaos.people)
    large, larger = (
        event("tracked", f"large-{token}-{count}", at, customer, name="n", properties={str(n): "x" * TEXT for n in range(count)})
        for count in (TEXTS_AT_THE_LIMIT, TEXTS_AT_THE_LIMIT + 1)
    )  # fmt: skip
    chaos.scenario.malformed.add(larger["id"])
    await chaos.scenario.post([large])
    await chaos.scenario.post([larger])
    status = await _post_raw(chaos, b'{"events": [' + b" " * (1 << 20) + b"]}")
    if status != 413:
        chaos.broken.append(f"oversized: a body above the limit was answered with {status}")
    [identity] = customer_ids(chaos.stack, [customer["member"]]).values()
    taken = [
        await _write(chaos, identity, _record(rnd, f"record-{token}-{margin}", at, MAX_RECORD - margin))
        for margin in (0, 1)
    ]
    refused = not await _write(chaos, identity, _record(rnd, f"beyond-{token}", at, 2 << 20))
    if not (all(taken) and refused):
        chaos.broken.append(f"oversized: records at the limit taken {taken}, one above refused {refused}")
    return (
        "events of 248,000 bytes taken, of 279,000 refused, a body of 1 MiB refused; records of 1,000,000 bytes taken"
    )


def _record(rnd: random.Random, event_id: str, at: int, size: int) -> bytes:
    """A fact of exactly `size` bytes, which no compression makes smaller."""
    bare = Tracked(id=event_id, at=at, name="n", properties={"text": ""})
    return encode(
        msgspec.structs.replace(bare, properties={"text": rnd.randbytes(size).hex()[: size - len(encode(bare))]})
    )


async def _write(chaos: Chaos, customer: str, value: bytes) -> bool:
    key = customer.encode()
    async with clients.producer(chaos.stack.kafka) as producer:
        try:
            await producer.send_and_wait(CUSTOMER_EVENTS.name, value, key, partition_of(key))
        except MessageSizeTooLargeError:
            return False
    return True


async def _post_raw(chaos: Chaos, body: bytes) -> int:
    """The status of the first answer; while ingest is away it is asked again."""
    headers = {
        "authorization": f"Bearer {chaos.stack.secrets.read_write_key()}",
        "content-type": "application/json",
    }
    async with httpx2.AsyncClient(base_url=chaos.stack.http_url, timeout=30.0, trust_env=False) as client:
        while True:
            try:
                answer = await client.post("/api/v1/events", content=body, headers=headers)
            except httpx2.TransportError:
                await asyncio.sleep(0.3)
                continue
            if answer.status_code not in {429, 502, 503}:
                return answer.status_code
            await asyncio.sleep(0.3)


async def poison(chaos: Chaos, rnd: random.Random) -> str:
    """Undecodable records of all kinds in every hop's input, a hundred of them in a row; and facts beyond the limits."""
    counts = []
    async with clients.producer(chaos.stack.kafka) as producer:
        for topic in POISONED:
            partition = rnd.randrange(PARTITIONS)
            rows = list(_bad_records(rnd))
            if topic is CUSTOMER_EVENTS:
                rows += list(_beyond_limits(chaos, rnd))
            acks = [(await producer.send(topic.name, value, key, partition), value) for key, value in rows]
            for ack, value in acks:
                chaos.planted.append(Planted(topic.name, partition, (await ack).offset, value or b""))
            counts.append(f"{topic.name} {len(rows)}")
    return f"records that nobody can take: {', '.join(counts)}"


def _bad_records(rnd: random.Random) -> Iterator[tuple[bytes | None, bytes | None]]:
    kinds: tuple[bytes | None, ...] = (
        None,
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"type":"order.placed"}',
        b'{"type":"nobody.knows","id":"x","at":1}',
        b'{"type":"order.placed","id":7,"at":"yesterday"}',
        b"\xff\xfe\x00",
        b"[" * 5_000,
    )
    for number in range(IN_A_ROW):
        value = kinds[number % len(kinds)]
        yield (None if number % 3 == 0 and value is not None else b"poisoned"), value
    for _ in range(5):
        yield b"poisoned", rnd.randbytes(rnd.randrange(1, 2_000))


def _beyond_limits(chaos: Chaos, rnd: random.Random) -> Iterator[tuple[bytes | None, bytes | None]]:
    """Whole facts that only the fold can refuse."""
    for number in range(3):
        name = f"beyond-{rnd.randrange(1 << 40):x}-{number}"
        fact = OrderPlaced(id=name, at=chaos.scenario.now, order_id=name, amount=BEYOND_LIMITS, currency="CNY")
        yield b"poisoned", encode(fact)


async def hot(chaos: Chaos, rnd: random.Random) -> str:
    """One customer has half of all traffic, and far more than the others for a while."""
    customer, token = chaos.people[0], f"{rnd.randrange(1 << 40):x}"
    for burst in range(HOT_POSTS):
        events = [_beat(customer, f"hot-{token}-{burst}-{n}", chaos.scenario.now) for n in range(HOT_EVENTS)]
        others = [_beat(rnd.choice(chaos.people), f"cool-{token}-{burst}-{n}", chaos.scenario.now) for n in range(HOT_EVENTS)]  # fmt: skip
        mixed = events + others
        rnd.shuffle(mixed)
        await chaos.scenario.post(mixed)
    return f"{HOT_POSTS * HOT_EVENTS} of {2 * HOT_POSTS * HOT_EVENTS} events of one customer"


def _beat(customer: dict[str, str], event_id: str, at: int) -> Event:
    return event("product.viewed", event_id, at, customer, product="sku-001")


async def repeat(chaos: Chaos, rnd: random.Random) -> str:
    """Records of the inner topics come once more, long after newer ones: what a zombie or a lost position leaves behind."""
    bad, again = {one.place for one in chaos.planted}, 0
    async with clients.producer(chaos.stack.kafka) as producer:
        for topic in (PROFILE_UPDATES, SEGMENT_UPDATES):
            records = [
                record
                for record in await read_topic(chaos.stack.kafka, topic.name)
                if (topic.name, record.partition, record.offset) not in bad
            ]
            start = rnd.randrange(max(1, len(records) - REPEATED))
            for record in records[start : start + REPEATED]:
                await producer.send(topic.name, record.value, record.key, record.partition)
                again += 1
        await producer.flush()
    return f"{again} old records of {PROFILE_UPDATES.name} and {SEGMENT_UPDATES.name} written once more"


async def replay(chaos: Chaos, rnd: random.Random) -> str:
    """The outbox forgets what it has sent, then every command is told again: only the permanent ledger knows them."""
    engine = create_async_engine(chaos.stack.database_url)
    try:
        async with engine.begin() as connection:
            gone = sa.text("DELETE FROM notifier.outbox WHERE state = ANY(:held) RETURNING command_id")
            forgotten = {row.command_id for row in await connection.execute(gone, {"held": list(HELD)})}
            attempts = sa.text("DELETE FROM notifier.send_attempt WHERE command_id = ANY(:commands)")
            await connection.execute(attempts, {"commands": list(forgotten)})
    finally:
        await engine.dispose()
    decode = msgspec.json.Decoder(OutreachCommand).decode
    written = {one.place: one for one in chaos.planted}
    again = 0
    async with clients.producer(chaos.stack.kafka) as producer:
        for record in await read_topic(chaos.stack.kafka, OUTREACH_COMMANDS.name):
            if (OUTREACH_COMMANDS.name, record.partition, record.offset) in written:
                continue
            command = decode(record.value or b"")
            if isinstance(command, SendMessage) and command.command_id in forgotten:
                await producer.send(OUTREACH_COMMANDS.name, record.value, record.key, record.partition)
                again += 1
        await producer.flush()
    return f"{len(forgotten)} sent commands forgotten by the outbox and told again, {again} records"
