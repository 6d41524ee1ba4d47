"""The import command on a real broker: killed on the way it goes on, and nothing is missing, changed or clear."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
from aiokafka import ConsumerRecord

from deploy.create_topics import create
from services.ingest.imports.jobs import Jobs
from services.ingest.imports.pace import CHUNK
from services.ingest.write_keys import Scope, add_key
from shared.contract.codec import decode_front
from shared.contract.facts import ConsentSet, OrderPlaced
from shared.ids import derived_id
from tests.integration.test_ingest import Running, read

ORDERS, KILLS = 12_000, 3


def write_orders(path: Path) -> None:
    rows = [f"T{number},M{number % 900},2025-01-{number % 28 + 1:02d} 10:00,{number}.50" for number in range(ORDERS)]
    path.write_text("订单号,会员号,下单时间,实付金额\n" + "\n".join(rows) + "\n", encoding="gb18030")


async def test_an_import_killed_three_times_is_whole_and_repeats_a_chunk_at_most(broker: str, tmp_path: Path) -> None:
    await create(broker)
    ingest = Running(tmp_path, broker)
    ingest.environment["HUITOU_IMPORTS"] = str(tmp_path / "imports")
    file = tmp_path / "orders.csv"
    write_orders(file)
    jobs = Jobs(tmp_path / "imports")
    command = [sys.executable, "-m", "services.ingest", "import", str(file), "--source", "it-killed"]
    for kill in range(1, KILLS + 1):
        process = await asyncio.create_subprocess_exec(
            *command, env=ingest.environment, stdout=asyncio.subprocess.DEVNULL
        )
        while not any(job.status().sent >= ORDERS * kill // (KILLS + 1) for job in jobs.all()):
            assert process.returncode is None, "it ended before it could be killed"
            await asyncio.sleep(0.005)
        process.kill()
        await process.wait()
    process = await asyncio.create_subprocess_exec(*command, env=ingest.environment, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert f"orders: {ORDERS}" in said.decode()
    assert "going on where the last run stopped" in said.decode()

    records = await read(broker, "customer-events-v1")
    facts = [decode_front(record.value) for record in records]
    orders = [fact for fact in facts if isinstance(fact, OrderPlaced) and fact.source == "it-killed"]
    assert {order.id for order in orders} == {derived_id("import", "it-killed", f"T{n}") for n in range(ORDERS)}
    assert len({(order.id, order.baseline, order.amount, order.at) for order in orders}) == ORDERS
    assert 0 <= len(orders) - ORDERS <= KILLS * CHUNK
    assert _divided(records, "it-killed") == []
    (job,) = jobs.all()
    assert (job.status().state, job.records.exists()) == ("done", False)


def _divided(records: Sequence[ConsumerRecord], source: str) -> list[str]:
    """T2: partitions in which a customer's orders do not follow each other, sorted; what a kill repeated counts where it stood first."""
    parts: dict[int, dict[str, tuple[str, int, str]]] = defaultdict(dict)
    for record in records:
        fact = decode_front(record.value)
        if isinstance(fact, OrderPlaced) and fact.source == source:
            parts[record.partition].setdefault(fact.id, (record.key.decode(), fact.at, fact.id))
    assert sum(len(part) for part in parts.values()) == ORDERS
    return [str(number) for number, part in parts.items() if list(part.values()) != sorted(part.values())]


async def test_an_opt_out_list_over_http_reaches_the_log_by_the_importer(broker: str, tmp_path: Path) -> None:
    await create(broker)
    ingest = Running(tmp_path, broker)
    ingest.environment |= {"HUITOU_IMPORTS": str(tmp_path / "imports"), "HUITOU_FORECASTER": ""}
    key = add_key(tmp_path / "keys", "files", [Scope.IMPORT])
    phones = [f"1398888{number:04d}" for number in range(300)]
    async with ingest.process("http"), ingest.process("importer"), ingest.client() as client:
        client.headers["authorization"] = f"Bearer {key}"
        body = ("手机号\n" + "\n".join(phones) + "\n").encode()
        made = await client.post("/api/v1/imports?kind=opt-outs&name=tuiding.csv&operator=li", content=body)
        place = f"/api/v1/imports/{made.json()['id']}"
        shown = await _until(client, place, "ready")
        assert (shown["report"]["facts"], shown["report"]["customers"]) == ({"consent.set": 300}, 300)
        assert (await client.post(f"{place}/confirm", json={"digest": shown["digest"]})).status_code == 202
        assert (await _until(client, place, "done"))["groups_sent"] == 300
    assert not list((tmp_path / "imports").glob("*/upload"))

    records = await read(broker, "customer-events-v1")
    facts = [decode_front(record.value) for record in records]
    told = [fact for fact in facts if isinstance(fact, ConsentSet) and fact.source == "files"]
    assert Counter((fact.channel, fact.purpose, fact.granted) for fact in told) == {("all", "marketing", False): 300}
    assert {fact.proof for fact in told} == {f"tuiding.csv row {number + 2}; by li" for number in range(300)}
    everything = b"".join((one.key or b"") + (one.value or b"") for one in records) + ingest.log.read_bytes()
    assert [phone for phone in phones if phone.encode() in everything] == []


async def _until(client: httpx2.AsyncClient, place: str, state: str) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for _ in range(300):
        answer = (await client.get(place)).json()
        assert answer["state"] != "failed", answer
        if answer["state"] == state:
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(f"the import did not become {state}: {answer}")
