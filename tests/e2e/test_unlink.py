"""An identifier that was somebody else's on the whole product: split off by the command while services die, then named together again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.ingest.identifiers import Kind
from shared.contract import topics
from shared.contract.bundles import ProfileUpdated
from shared.engine.fold.batch import Emit
from tests.support.event_ids import PUBLIC, breaches, counted
from tests.support.shop_house import ShopHouse

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="session")]

PHONE = "13977002468"
_updated = msgspec.json.Decoder(ProfileUpdated).decode


def order(name: str, customer: dict[str, str]) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    placed = {
        "type": "order.placed",
        "id": f"e-{name}",
        "at": at,
        "order_id": name,
        "amount": "12.50",
        "currency": "CNY",
    }
    return placed | {"customer": customer}


async def test_what_came_under_an_id_goes_with_it_and_comes_back_with_it(house: ShopHouse) -> None:
    member, phone = {"member": "M-KIM"}, {"phone": PHONE}
    strong, weak = house.id_of(Kind.MEMBER, "M-KIM"), house.id_of(Kind.PHONE, PHONE)
    await house.tell(order("k-1", member), order("k-2", phone), order("k-3", phone), order("k-4", member | phone))
    await house.until(lambda: _has(house, strong, 4))

    said = await house.command("services.ingest", "unlink", "--phone", PHONE)
    for service in ("profile", "segmenter", "trigger-engine"):
        house.stack.supervisor.kill(service)
    await house.until(lambda: _has(house, weak, 2))
    await house.until(lambda: _has(house, strong, 2))
    assert weak in said
    assert PHONE not in said

    await house.tell(order("k-5", phone), order("k-6", member))
    await house.until(lambda: _has(house, weak, 3))
    await house.until(lambda: _has(house, strong, 3))
    await house.until(lambda: _decided_for(house, "k-5", weak))
    await house.until(lambda: _decided_for(house, "k-6", strong))
    await house.until(lambda: _shown(house, strong, weak))

    await house.command("services.ingest", "unlink", "--phone", PHONE)  # told twice, nothing more to take away
    await house.until_still()
    assert (await _orders(house, weak), await _orders(house, strong)) == (3, 3)

    await house.tell(order("k-7", member | phone))
    await house.until(lambda: _has(house, strong, 7))
    await house.until(lambda: _decided_for(house, "k-7", strong))

    records = [
        Emit(topic, one.partition, one.key, one.value or b"", one.headers)
        for topic in sorted(PUBLIC)
        for one in await house.topic(topic)
    ]
    assert breaches(records, whole=False) == []  # T5; other tests have planted records without headers
    assert counted(records)[topics.OUTREACH_DECISIONS.name] > 7


async def _orders(house: ShopHouse, customer: str) -> int:
    """As the profile service told of him last."""
    records = [one for one in await house.topic(topics.PROFILE_UPDATES.name) if one.key == customer.encode()]
    told = [
        _updated(one.value or b"") for one in records if (one.value or b"").startswith(b'{"type":"profile.updated"')
    ]
    steps = [step for bundle in told for step in bundle.steps]
    return steps[-1].profile.orders if steps else 0


async def _has(house: ShopHouse, customer: str, orders: int) -> bool:
    return await _orders(house, customer) == orders


async def _decided_for(house: ShopHouse, order_id: str, customer: str) -> bool:
    """Every decision about this order is about this customer, and there are some."""
    told = [json.loads(row.value or b"{}") for row in await house.topic(topics.OUTREACH_DECISIONS.name)]
    about = {one.get("customer") for one in told if one.get("trigger_key") == order_id}
    return about == {customer}


async def _shown(house: ShopHouse, *customers: str) -> bool:
    """Both stand in the read model as customers of their own."""
    rows = await house.rows("SELECT customer FROM console.customer WHERE customer = ANY($1)", list(customers))
    return len(rows) == len(customers)
