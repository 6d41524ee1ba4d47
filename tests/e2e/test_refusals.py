"""V7 on the whole product: a refusal holds against traits that a browser keeps and sends again, also after an erasure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.identifiers import Kind
from shared.contract import topics
from tests.support.shop_house import ShopHouse

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="session")]

PHONE = "13977004321"
FAY = {"member": "M-FAY", "phone": PHONE}


async def test_a_refusal_holds_against_stored_traits_until_a_later_dated_grant(house: ShopHouse) -> None:
    await house.tell(_event("consent.set", "fay-no", channel="sms", purpose="marketing", granted=False))
    for number in range(3):
        await _identify(house, f"fay-visit-{number}")
    await house.tell(_order("fay-1"))
    await house.until(lambda: _decided(house, "fay-1", "consent"))
    assert await _messages(house) == 0

    await house.tell(
        _event("consent.set", "fay-yes", channel="sms", purpose="marketing", granted=True), _order("fay-2")
    )
    await house.until(lambda: _decided(house, "fay-2", "sent"))
    await house.until(lambda: _told(house, 1))

    assert (await house.post("/api/v1/erasures", {"customer": FAY}, key=house.erase_key)).status_code == 202
    for number in range(3):
        await _identify(house, f"fay-back-{number}")
    await house.tell(_order("fay-3"))
    await house.until(lambda: _decided(house, "fay-3", "erased"))
    await house.until_still()
    assert await _messages(house) == 1


def _event(kind: str, name: str, **more: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"type": kind, "id": name, "at": at, "customer": FAY} | more


def _order(name: str) -> dict[str, Any]:
    return _event("order.placed", f"e-{name}", order_id=name, amount="12.50")


async def _identify(house: ShopHouse, name: str) -> None:
    """As analytics-next sends it: with all traits that were ever set."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    body = {"type": "identify", "userId": "M-FAY", "messageId": name, "timestamp": now, "sentAt": now}
    answer = await house.post(
        "/v1/identify", body | {"traits": {"consents": {"sms": True}, "phone": PHONE}}, basic=True
    )
    assert answer.status_code == 200, answer.text


async def _decided(house: ShopHouse, order_id: str, reason: str) -> bool:
    customer = house.id_of(Kind.MEMBER, "M-FAY")
    found = [json.loads(row.value or b"{}") for row in await house.topic(topics.OUTREACH_DECISIONS.name)]
    mine = [one for one in found if one.get("customer") == customer and one.get("trigger_key") == order_id]
    return any(one["rule"] == "come-again" and one["reason"] == reason for one in mine)


async def _messages(house: ShopHouse) -> int:
    return sum(PHONE in each["to"] for each in await house.accepted())


async def _told(house: ShopHouse, times: int) -> bool:
    return await _messages(house) >= times
