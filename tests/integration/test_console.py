"""The console on a real broker and database: what was produced is what it shows, also after a SIGKILL in between."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from deploy.stack.stack import Stack
from shared.contract.broadcasts import Tick
from shared.contract.bundles import Segments
from shared.contract.codec import encode
from shared.contract.commands import SendMessage
from shared.contract.facts import MessageReported, OrderPlaced, ProductViewed, TraitsSet
from shared.contract.partitioner import partition_of
from shared.contract.public_records import CandidateDecided, DeliveryDecided, SegmentChanged, SegmentSnapshot
from shared.contract.topics import CUSTOMER_EVENTS, OUTREACH_COMMANDS, OUTREACH_DECISIONS, SEGMENT_CHANGES, SEGMENTS
from shared.engine.fold.batch import Emit
from shared.engine.recovery.cluster import KafkaSink
from shared.kafka.clients import producer
from tests.support.stack import jar_cache

pytestmark = pytest.mark.asyncio(loop_scope="module")
CUSTOMERS = 3_000
STAGES = ("new", "active", "silent", "churned", "loyal")
CLASSES = ("important_value", "general_keep", "general_winback", "unclassified")
VIEWS = 30_000
PORTION = 3_000
NOON = 1_762_574_400_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    directory: Path = tmp_path_factory.mktemp("console")
    async with Stack(
        directory=directory, services=("console",), scenario=True, durable=False, brief=True, cache=jar_cache()
    ) as running:
        yield running


async def produce(stack: Stack, topic: str, records: list[tuple[str, Any]]) -> None:
    """Append (customer, record) in order, each customer in his partition."""
    waiting: dict[int, list[Emit]] = {}
    for customer, record in records:
        place = partition_of(customer.encode())
        waiting.setdefault(place, []).append(Emit(topic, place, customer.encode(), encode(record)))
    async with producer(stack.kafka) as client:
        sink = KafkaSink(client)
        for partition, emits in waiting.items():
            await sink.send(topic, partition, emits)


async def get(stack: Stack, path: str) -> dict[str, Any]:
    # A client for each look, as the console restarts; it speaks plain HTTP, so it need not load any certificate.
    async with httpx2.AsyncClient(trust_env=False, timeout=5.0, verify=False) as client:
        answer = await client.get(f"{stack.console_url}{path}")
        answer.raise_for_status()
        body: dict[str, Any] = answer.json()
        return body


async def until(
    ask: Callable[[], Awaitable[dict[str, Any]]], good: Callable[[dict[str, Any]], bool], seconds: float = 60.0
) -> dict[str, Any]:
    """The first answer that is good; the last one if none comes in time, so that the test shows what was there."""
    answer: dict[str, Any] = {}
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        try:
            answer = await ask()
        except httpx2.HTTPError:  # it is being restarted
            answer = {}
        if answer and good(answer):
            break
        await asyncio.sleep(0.2)
    return answer


def name(number: int) -> str:
    return f"customer-{number:06d}"


def snapshots() -> list[tuple[str, SegmentSnapshot]]:
    """Everybody is new at first and then stands where his number says."""
    found = []
    for at in (1, 2):
        for number in range(CUSTOMERS):
            stage, rfm = (STAGES[number % 5], CLASSES[number % 4]) if at == 2 else ("new", "none")
            segments = Segments(lifecycle=stage, rfm=rfm, sleep_warning=stage == "silent")
            shot = SegmentSnapshot(customer=name(number), seq=at, segments=segments, orders=at, total=1_000, as_of=at)
            found.append((name(number), shot))
    return found


def views() -> list[tuple[str, ProductViewed]]:
    return [
        (name(number % CUSTOMERS), ProductViewed(id=f"v{number}", at=NOON + number, product="p"))
        for number in range(VIEWS)
    ]


async def flow(stack: Stack) -> None:
    """All views over some seconds."""
    told = views()
    for start in range(0, VIEWS, PORTION):
        await produce(stack, CUSTOMER_EVENTS.name, told[start : start + PORTION])
        await asyncio.sleep(0.3)


async def test_what_stands_on_the_topics_is_shown(stack: Stack) -> None:
    order = OrderPlaced(id="e1", at=NOON, order_id="o1", amount=100, currency="CNY")
    opened = MessageReported(id="e2", at=NOON, command_id="m1", rule="thank-you", channel="email", status="opened")
    command = SendMessage(
        command_id="m1",
        customer="somebody-42",
        rule="thank-you",
        trigger_key="o1",
        channel="email",
        purpose="service",
        template="thank-you",
        effective_at=NOON,
        decided_at=NOON,
        send_by=NOON + 1,
        policy=1,
    )
    sent = CandidateDecided(
        id="x1",
        customer="somebody-42",
        rule="thank-you",
        trigger_key="o1",
        effective_at=NOON,
        decided_at=NOON,
        verdict="send",
        reason="sent",
        commands=("m1",),
        policy=1,
    )
    beaten = CandidateDecided(
        id="x2",
        customer="somebody-42",
        rule="silent-recall",
        trigger_key="o1",
        effective_at=NOON,
        decided_at=NOON,
        verdict="skip",
        reason="outranked",
        policy=1,
    )
    delivery = DeliveryDecided(
        id="y1", command_id="m1", customer="somebody-42", rule="thank-you", channel="email", state="delivered", at=NOON
    )
    change = SegmentChanged(
        customer="somebody-42",
        seq=1,
        dimension="lifecycle",
        before="none",
        after="new",
        cause="event",
        effective_at=NOON,
        detected_at=NOON,
        cuts=0,
    )
    who = "somebody-42"
    await produce(stack, CUSTOMER_EVENTS.name, [(who, order), (who, opened)])
    await produce(stack, OUTREACH_COMMANDS.name, [(who, command)])
    await produce(stack, OUTREACH_DECISIONS.name, [(who, sent), (who, beaten), (who, delivery)])
    await produce(stack, SEGMENT_CHANGES.name, [(who, change)])
    async with producer(stack.kafka) as client:
        await client.send_and_wait(CUSTOMER_EVENTS.name, encode(Tick(as_of=NOON, scenario=True)), partition=3)

    overview = await until(lambda: get(stack, "/api/v1/overview"), lambda found: bool(found["movements"]))
    assert overview["movements"] == [{"dimension": "lifecycle", "before": "none", "after": "new", "changes": 1}]
    overview = await until(lambda: get(stack, "/api/v1/overview"), lambda found: found["logical_now"] is not None)
    assert overview["logical_now"] == "2025-11-08T04:00:00.000Z"
    decisions = await until(lambda: get(stack, "/api/v1/decisions"), lambda found: found["latest"][-1:] != [])
    assert [(each["customer"], each["rule"], each["reason"]) for each in decisions["latest"]] == [
        ("some…y-42", "silent-recall", "outranked"),
        ("some…y-42", "thank-you", "sent"),
    ]
    messages = await until(
        lambda: get(stack, "/api/v1/messages"), lambda found: found["channels"]["email"]["opened"] == 1
    )
    assert messages["channels"]["email"]["states"] == {"delivered": 1}
    decisions = await get(stack, "/api/v1/decisions?limit=2")
    assert (decisions["latest"][1]["channel"], decisions["latest"][1]["state"]) == ("email", "delivered")
    throughput = await get(stack, "/api/v1/throughput")
    assert [throughput["types"][kind]["total"] for kind in ("order.placed", "message.reported")] == [1, 1]


async def test_a_projector_killed_midway_counts_every_record_once(stack: Stack) -> None:
    """Given thousands of records, when it is killed while it reads them, then its counts are exact all the same."""
    restarts = stack.supervisor.restarts("console")
    await produce(stack, SEGMENTS.name, snapshots())
    flowing = asyncio.create_task(flow(stack))

    def viewed(found: dict[str, Any]) -> int:
        return int(found["types"].get("product.viewed", {"total": 0})["total"])

    partly = await until(lambda: get(stack, "/api/v1/throughput"), lambda found: viewed(found) > 0)
    stack.supervisor.kill("console")
    await flowing
    assert 0 < viewed(partly) < VIEWS, "it was killed midway"

    throughput = await until(lambda: get(stack, "/api/v1/throughput"), lambda found: viewed(found) >= VIEWS)
    assert viewed(throughput) == VIEWS
    overview = await until(lambda: get(stack, "/api/v1/overview"), lambda found: found["orders"] >= 2 * CUSTOMERS)
    stages = Counter(STAGES[number % 5] for number in range(CUSTOMERS))
    classes = Counter(CLASSES[number % 4] for number in range(CUSTOMERS))
    assert (overview["customers"], overview["orders"], overview["amount"]) == (
        CUSTOMERS,
        2 * CUSTOMERS,
        1_000 * CUSTOMERS,
    )
    assert {key: number for key, number in overview["lifecycle"].items() if number} == stages
    assert {key: number for key, number in overview["rfm"].items() if number} == classes
    assert overview["sleep_warning"] == stages["silent"]
    assert stack.supervisor.restarts("console") == restarts + 1


async def test_the_projectors_own_lag_is_known_and_ends_at_nothing(stack: Stack) -> None:
    await produce(stack, CUSTOMER_EVENTS.name, [(name(1), TraitsSet(id="late", at=NOON, traits={}))])

    def idle(found: dict[str, Any]) -> bool:
        return [group["records"] for group in found["groups"]] == [0]

    lag = await until(lambda: get(stack, "/api/v1/lag"), idle)
    assert [(group["group"], group["records"], group["seconds"], group["state"]) for group in lag["groups"]] == [
        ("console", 0, 0.0, "ok")
    ]


async def test_it_stops_when_asked_and_says_so(stack: Stack) -> None:
    running = stack.supervisor.pid("console")
    assert running is not None
    log = stack.directory / "logs" / "console.log"
    said = log.read_text().count("console stopped")
    os.kill(running, signal.SIGTERM)
    await until(lambda: get(stack, "/api/v1/lag"), lambda _: stack.supervisor.pid("console") != running)
    assert log.read_text().count("console stopped") == said + 1
