"""A rule that waits for the tills, through the real chain: held until the source has told everything, then sent once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import msgspec
import pytest
from standardwebhooks import Webhook

from services.ingest.hooks.sources import source_of
from services.ingest.identifiers import Kind
from shared import clock
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.public_records import CandidateDecided, DeliveryDecided
from shared.contract.topics import OUTREACH_COMMANDS, OUTREACH_DECISIONS
from shared.instants import format_instant
from shared.shop import DAY
from tests.support.hooks import SECRETS
from tests.support.shop_house import TILLS, ShopHouse

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(200)]

SOON = 3_000
"""Milliseconds until the reminder falls due."""
WHO = {"member": "M-TILLS", "phone": "13977003579"}
RULE = "remind"


async def push(client: httpx2.AsyncClient, call: str, *events: dict[str, Any]) -> dict[str, Any]:
    """One signed call of the tills; all of it must be taken."""
    body, now = json.dumps({"events": events}), datetime.now(UTC)
    headers = {"webhook-id": call, "webhook-timestamp": str(int(now.timestamp()))}
    headers["webhook-signature"] = Webhook(SECRETS["generic"]).sign(call, now, body)
    answer: dict[str, Any] = (await client.post(f"/hooks/{TILLS}", content=body.encode(), headers=headers)).json()
    assert answer["rejected"] == 0, answer
    return answer


async def decided(house: ShopHouse, count: int) -> list[tuple[str, str]]:
    """(verdict, reason) of the reminder's decisions on the whole person, once there are so many."""
    customer = house.id_of(Kind.MEMBER, WHO["member"])

    async def told() -> list[CandidateDecided]:
        records = await house.topic(OUTREACH_DECISIONS.name)
        mine = [record.value or b"" for record in records if record.key == customer.encode()]
        every = [msgspec.json.decode(value, type=CandidateDecided | DeliveryDecided) for value in mine]
        # the phone's id may still be on its way
        return [
            one
            for one in every
            if isinstance(one, CandidateDecided) and one.rule == RULE and one.reason != "half-person"
        ]

    async def enough() -> bool:
        return len(await told()) >= count

    await house.until(enough)
    return [(one.verdict, one.reason) for one in sorted(await told(), key=lambda one: one.decided_at)]


async def test_a_reminder_waits_for_the_tills_and_goes_once_they_have_told_everything(house: ShopHouse) -> None:
    await house.add_source(source_of({"provider": "generic", "name": TILLS, "secrets": [SECRETS["generic"]]}))
    at = clock.now_ms() - DAY + SOON
    told = {"at": format_instant(at), "customer": WHO}
    await push(
        house.http,
        "day",
        {"type": "order.placed", "id": "o", "order_id": "o1", "amount": "10.00"} | told,
        {"type": "consent.set", "id": "c", "channel": "sms", "purpose": "marketing", "granted": True} | told,
    )
    assert await decided(house, 1) == [("defer", "incomplete")]
    complete = {"type": "source.completed", "until": format_instant(at + DAY + 1)}
    await push(house.http, "night", complete)
    assert await decided(house, 2) == [("defer", "incomplete"), ("send", "sent")]
    again = await push(house.http, "night-again", complete)
    assert again["accepted"] == 1
    await house.until_still()
    customer = house.id_of(Kind.MEMBER, WHO["member"]).encode()
    orders = [record.value or b"" for record in await house.topic(OUTREACH_COMMANDS.name) if record.key == customer]
    commands = [msgspec.json.decode(value, type=OutreachCommand) for value in orders]
    assert len([one for one in commands if isinstance(one, SendMessage) and one.rule == RULE]) == 1
