"""Ingest on a real broker: confirmed is readable, without it nothing is confirmed, nothing personal is clear."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from deploy.create_topics import create
from deploy.stack import ports
from services.ingest.brake import ChainBrake
from services.ingest.identifiers import Pepper
from services.ingest.write_keys import Scope, add_key
from shared import clock
from shared.contract.broadcasts import Tick
from shared.contract.codec import decode_front
from shared.contract.facts import OrderPlaced, TraitsSet
from shared.contract.identity import Linked
from shared.contract.topics import PARTITIONS, ROLL_KEY, ROLLED
from shared.kafka.clients import group_consumer, reader
from shared.sealing import Keyring
from tests.support.stack import Embedded

AT = "2025-06-30T09:21:33Z"
PHONE, EMAIL, NAME = "13977770001", "unique-canary@example.com", "金丝雀小姐"
RETRY_WITHIN = 7.0


class Running:
    """A process of ingest, its client and its log."""

    def __init__(self, folder: Path, kafka: str) -> None:
        self.folder, self.log = folder, folder / "ingest.log"
        Pepper.create(folder / "pepper")
        Keyring.create(folder / "keyring")
        (folder / "shop.json").write_text('{"currency":"CNY"}', encoding="utf-8")
        self.key = add_key(folder / "keys", "shop", [Scope.LIVE])
        (self.port,) = ports.free(1)
        self.environment = {
            **os.environ,
            "HUITOU_KAFKA": kafka,
            "HUITOU_KEYRING": str(folder / "keyring"),
            "HUITOU_PEPPER_FILE": str(folder / "pepper"),
            "HUITOU_WRITE_KEYS_FILE": str(folder / "keys"),
            "HUITOU_SHOP_FILE": str(folder / "shop.json"),
            "HUITOU_HTTP_PORT": str(self.port),
            "HUITOU_IMPORTS": str(folder / "imports"),
        }

    @asynccontextmanager
    async def process(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.ingest", *arguments, env=self.environment, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        address, headers = f"http://127.0.0.1:{self.port}", {"authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=20) as client:
            for _ in range(150):
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        break
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.1)
            yield client


async def read(kafka: str, topic: str) -> list[ConsumerRecord]:
    """Every record of a topic."""
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = reader(kafka)
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        found: list[ConsumerRecord] = []
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(records)
        return found
    finally:
        await consumer.stop()


def typed(kind: str, event_id: str, **fields: Any) -> dict[str, Any]:
    customer = {"member": "m1", "phone": PHONE, "email": EMAIL}
    return {"type": kind, "id": event_id, "at": AT, "customer": customer} | fields


async def test_what_is_confirmed_is_in_the_log_and_nothing_personal_is_in_clear(broker: str, tmp_path: Path) -> None:
    await create(broker)
    ingest = Running(tmp_path, broker)
    events = [
        typed("order.placed", "ingest-it-1", order_id="o1", amount="1.50"),
        typed("traits.set", "ingest-it-2", traits={"name": NAME, "city": "上海", "note": f"{NAME} {PHONE}"}),
        typed("tracked", "ingest-it-3", name="x", properties={"deep": [{"mail": EMAIL}, PHONE]}),
    ]
    bad = {"type": "identify", "userId": "m1", "timestamp": "naive", "traits": {"phone": PHONE, "name": NAME}}
    async with ingest.process("http"), ingest.client() as client:
        answer = await client.post("/api/v1/events", json={"events": events})
        assert (answer.status_code, answer.json()["accepted"]) == (200, 3)
        batch = {"batch": [bad], "writeKey": ingest.key}
        headers = {"authorization": ""}
        assert (await client.post("/v1/batch", content=json.dumps(batch), headers=headers)).status_code == 200

    records = await read(broker, "customer-events-v1")
    facts = {fact.id: fact for fact in (decode_front(record.value) for record in records) if hasattr(fact, "id")}
    order, traits = facts["ingest-it-1"], facts["ingest-it-2"]
    assert isinstance(order, OrderPlaced)
    assert (order.amount, order.source, order.contacts) == (150, "shop", ("phone", "email"))
    assert isinstance(traits, TraitsSet)
    assert traits.traits == {"city": "上海"}
    (customer,) = {
        record.key
        for record in records
        if record.value and getattr(decode_front(record.value), "id", "") == "ingest-it-1"
    }
    every_point, rejected = await read(broker, "contact-points-v1"), await read(broker, "rejected-events-v1")
    points = [
        point for point in every_point if point.key.split(b"/")[0] == customer
    ]  # the broker is shared with other tests
    assert {"phone", "email", "name"} <= {json.loads(point.value)["field"] for point in points}
    assert any(record.key == b"shop" for record in rejected)
    assert {record.partition for record in records if record.key == customer} == {point.partition for point in points}
    clear = b"".join((record.key or b"") + (record.value or b"") for record in [*records, *every_point, *rejected])
    clear += ingest.log.read_bytes()
    assert [canary for canary in (PHONE, EMAIL, NAME) if canary.encode() in clear] == []


async def test_the_clock_process_writes_live_ticks_into_every_partition(broker: str, tmp_path: Path) -> None:
    await create(broker)
    async with Running(tmp_path, broker).process("clock"):
        for _ in range(50):
            ticks = [record for record in await read(broker, "customer-events-v1") if record.key is None]
            rolls = [record for topic in ROLLED for record in await read(broker, topic.name) if record.key == ROLL_KEY]
            if {record.partition for record in ticks} == set(range(PARTITIONS)) and len(rolls) >= 2 * PARTITIONS:
                break
            await asyncio.sleep(0.1)
    assert {(each.topic, each.partition) for each in rolls} == {(t.name, n) for t in ROLLED for n in range(PARTITIONS)}
    assert {(each.value, each.headers) for each in rolls} == {(None, ())}
    assert {record.partition for record in ticks} == set(range(PARTITIONS))
    for record in ticks:
        tick = decode_front(record.value)
        assert isinstance(tick, Tick)
        assert tick.as_of <= record.timestamp
        assert record.headers == ()


async def test_an_import_can_be_repeated_without_new_ids(broker: str, tmp_path: Path) -> None:
    await create(broker)
    ingest = Running(tmp_path, broker)
    path = tmp_path / "orders.csv"
    header = "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
    path.write_text(header + "i1,p,2,2011-07-01 08:00:00,1.5,17\ni2,p,1,2011-07-02 08:00:00,1,18\n", encoding="utf-8")
    for _ in range(2):
        async with ingest.process("import", str(path), "--source", "it-import") as process:
            assert await process.wait() == 0
    facts = [decode_front(record.value) for record in await read(broker, "customer-events-v1")]
    orders = [fact for fact in facts if isinstance(fact, OrderPlaced) and fact.source == "it-import"]
    assert (len(orders), len({order.id for order in orders})) == (4, 2)
    assert all(order.mode == "import" and order.baseline for order in orders)
    assert "revenue: 4.00 CNY" in ingest.log.read_text(encoding="utf-8")


async def test_history_over_http_never_fires_and_waits_while_the_chain_is_behind(broker: str, tmp_path: Path) -> None:
    await create(broker)
    ingest = Running(tmp_path, broker)
    key = add_key(tmp_path / "keys", "past", [Scope.IMPORT])
    order = {"type": "track", "event": "Order Completed", "userId": "m9", "messageId": "ingest-past-1", "timestamp": AT}
    body = {"batch": [order | {"properties": {"order_id": "past-1", "total": "9.90"}}], "writeKey": key}
    seconds, group = 0.0, f"brake-{secrets.token_hex(4)}"
    brake = ChainBrake(broker, lambda: seconds, max_lag=0, hops={group: "customer-events-v1"})
    before = clock.now_ms()
    async with ingest.process("http"), ingest.client() as client:
        assert not await brake.pulled()  # nobody has ever followed: there is no chain that is behind
        answer = await client.post("/v1/import", json=body, headers={"authorization": ""})
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        await _commit(broker, group, behind=1)
        assert not await brake.pulled()  # one look holds for a second
        seconds = 1.0
        assert await brake.pulled()
        await _commit(broker, group, behind=0)
        seconds = 2.0
        assert not await brake.pulled()
    await brake.close()
    facts = [decode_front(record.value) for record in await read(broker, "customer-events-v1")]
    (past,) = (fact for fact in facts if getattr(fact, "id", "") == "ingest-past-1")
    assert isinstance(past, OrderPlaced)
    assert (past.mode, past.confirmed, past.amount) == ("import", False, 990)
    assert past.baseline is not None
    assert before <= past.baseline <= clock.now_ms()


async def _commit(broker: str, group: str, *, behind: int) -> None:
    """The group as a hop that has everything but `behind` records of each partition that holds some."""
    places = [TopicPartition("customer-events-v1", number) for number in range(PARTITIONS)]
    member = group_consumer(broker, group, instance=None)
    await member.start()
    try:
        member.assign(places)
        ends = await member.end_offsets(places)
        await member.commit({place: max(0, end - behind) for place, end in ends.items()})
    finally:
        await member.stop()


@pytest.mark.asyncio(loop_scope="session")  # the loop of the broker's supervisor, which starts it again
async def test_without_a_broker_the_answer_is_503_and_with_it_again_200(
    own: Embedded, own_broker: str, tmp_path: Path
) -> None:
    await create(own_broker)
    ingest = Running(tmp_path, own_broker)
    event = typed("order.cancelled", "it-503", order_id="o9")
    async with ingest.process("http"), ingest.client() as client:
        assert (await client.post("/api/v1/events", json=event)).status_code == 200
        event["id"] = "it-503-later"  # the first one is known to be stored, and needs no broker
        own.supervisor.kill("kafka")
        began = asyncio.get_running_loop().time()
        refused = await client.post("/api/v1/events", json=event)
        assert asyncio.get_running_loop().time() - began < RETRY_WITHIN
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        for _ in range(20):
            again = await client.post("/api/v1/events", json=event)
            if again.status_code == 200:
                break
        assert again.status_code == 200
    facts = [decode_front(record.value) for record in await read(own_broker, "customer-events-v1")]
    stored = {getattr(fact, "id", "") for fact in facts if not isinstance(fact, Linked)}
    assert {name for name in stored if name.startswith("it-503")} == {"it-503", "it-503-later"}
