"""A rule that waits for the tills, through the real chain: held until the source has told everything, then sent once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from standardwebhooks import Webhook

from deploy.stack.stack import Stack
from services.ingest.clock_process import tick
from services.ingest.hooks.sources import change_sources, source_of
from shared.contract.broadcasts import PolicyPublished
from shared.contract.codec import encode
from shared.contract.public_records import CandidateDecided
from shared.contract.topics import CUSTOMER_EVENTS
from shared.instants import format_instant
from shared.kafka.broadcast import Broadcast
from shared.kafka.clients import producer
from shared.shop import DAY
from tests.integration.test_hooks import PATIENCE, ingest
from tests.integration.test_ingest import read
from tests.support.hooks import SECRETS
from tests.support.stack import jar_cache

pytestmark = pytest.mark.timeout(200)

HOUR = 3_600_000
T0 = 1_751_241_600_000
"""2025-06-30T00:00Z, eight in the morning in Shanghai."""
REMINDED = T0 + DAY + HOUR
WHO = {"member": "m1", "phone": "13900000001"}
RULE = {
    "id": "remind",
    "when": {"on": "since_last_order", "days": 1},
    "value": 100,
    "purpose": "marketing",
    "touches": [{"message": {"channel": "sms", "template": "t"}}],
    "waits_for": ["pos"],
}
POLICY = PolicyPublished(1, {"version": 1, "behaviour": 2, "rules": [RULE]})


async def push(client: httpx2.AsyncClient, call: str, *events: dict[str, Any]) -> dict[str, Any]:
    """One signed call of the tills; all of it must be taken."""
    body, now = json.dumps({"events": events}), datetime.now(UTC)
    headers = {"webhook-id": call, "webhook-timestamp": str(int(now.timestamp()))}
    headers["webhook-signature"] = Webhook(SECRETS["generic"]).sign(call, now, body)
    answer: dict[str, Any] = (await client.post("/hooks/pos", content=body.encode(), headers=headers)).json()
    assert answer["rejected"] == 0, answer
    return answer


async def decided(kafka: str, count: int) -> list[tuple[str, str]]:
    """(verdict, reason) of the decisions on the whole person, once there are so many."""
    told: list[CandidateDecided] = []
    for _ in range(PATIENCE):
        records = await read(kafka, "outreach-decisions-v1")
        every = [msgspec.json.decode(record.value, type=CandidateDecided) for record in records]
        told = [one for one in every if one.reason != "half-person"]  # the phone's id may still be on its way
        if len(told) >= count:
            break
        await asyncio.sleep(0.1)
    return [(one.verdict, one.reason) for one in sorted(told, key=lambda one: one.decided_at)]


async def test_a_reminder_waits_for_the_tills_and_goes_once_they_have_told_everything(tmp_path: Path) -> None:
    chain = ("profile", "segmenter", "trigger-engine")
    async with Stack(
        directory=tmp_path / "stack", services=chain, scenario=True, durable=False, brief=True, cache=jar_cache()
    ) as stack:
        source = source_of({"provider": "generic", "name": "pos", "secrets": [SECRETS["generic"]]})
        change_sources(stack.secrets.hooks, lambda _: [source])
        clock = producer(stack.kafka)
        await clock.start()
        try:
            async with ingest(stack.environment(), "-m", "services.ingest", "http") as client:
                await tick(clock, T0, scenario=True)
                await Broadcast(CUSTOMER_EVENTS, encode(POLICY)).over(clock)
                told = {"at": format_instant(T0), "customer": WHO}
                await push(
                    client,
                    "day",
                    {"type": "consent.set", "id": "c", "channel": "sms", "purpose": "marketing", "granted": True}
                    | told,
                    {"type": "order.placed", "id": "o", "order_id": "o1", "amount": "10.00"} | told,
                )
                await tick(clock, REMINDED, scenario=True)
                assert await decided(stack.kafka, 1) == [("defer", "incomplete")]
                await push(client, "night", {"type": "source.completed", "until": format_instant(REMINDED)})
                assert await decided(stack.kafka, 2) == [("defer", "incomplete"), ("send", "sent")]
                again = await push(
                    client, "night-again", {"type": "source.completed", "until": format_instant(REMINDED)}
                )
                assert again["accepted"] == 1
                await tick(clock, REMINDED + HOUR, scenario=True)
                assert len(await read(stack.kafka, "outreach-commands-v1")) == 1
        finally:
            await clock.stop()
