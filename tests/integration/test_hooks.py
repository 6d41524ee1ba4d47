"""A signed trade of 有赞 on a real broker, its refund told before it: the profile has both; a kill before the answer leaves one effect."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest

from deploy.stack import ports
from services.ingest.hooks.sources import source_of
from shared.contract.bundles import Profile, ProfileUpdated
from shared.contract.codec import decode_front
from shared.contract.facts import OrderPlaced
from shared.contract.topics import CUSTOMER_EVENTS, PROFILE_UPDATES
from tests.oracle.reader import LogRecord
from tests.support.hooks import GOLDEN, SECRETS, raw_of, signature
from tests.support.hooks import read as golden
from tests.support.shop_house import ShopHouse

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

DIES_BEFORE_THE_ANSWER = """
import os, sys
from services.ingest import __main__, publisher
acknowledged = publisher.KafkaPublisher.publish
async def publish(self, records):
    await acknowledged(self, records)
    os._exit(9)
publisher.KafkaPublisher.publish = publish
sys.exit(__main__.main(["http"]))
"""
TRADE = golden(GOLDEN / "youzan" / "buyer_pay.json")
REFUND = golden(GOLDEN / "youzan" / "refund_success_new.json")
"""Of the same order, which is all that it names."""
NET = 21_900 - 5_000
ORDER = "E20210307175649090904167"
PATIENCE = 200
RETRIES = 10


@asynccontextmanager
async def ingest(told: Mapping[str, str], *arguments: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The HTTP process, once it answers."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env={**os.environ, **told})
    address = f"http://127.0.0.1:{told['HUITOU_HTTP_PORT']}"
    try:
        async with httpx2.AsyncClient(base_url=address, timeout=20, trust_env=False) as client:
            for _ in range(PATIENCE):
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        break
                except httpx2.HTTPError:
                    pass
                await asyncio.sleep(0.1)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def push(client: httpx2.AsyncClient, call: dict[str, Any] = TRADE) -> httpx2.Response:
    """The call as 有赞 makes it, and makes it again: to the byte the same."""
    raw = raw_of(call)
    signed = signature("youzan", raw, SECRETS["youzan"], call)
    for _ in range(RETRIES):
        answer = await client.post("/hooks/youzan", content=raw, headers=signed)
        if answer.status_code != 503:  # on a busy machine the broker may be late
            break
    return answer


async def orders(house: ShopHouse) -> list[LogRecord]:
    """Every record of the log that places the trade's order."""
    told = [record for record in await house.topic(CUSTOMER_EVENTS.name) if ORDER.encode() in (record.value or b"")]
    return [record for record in told if isinstance(decode_front(record.value or b""), OrderPlaced)]


async def profile(house: ShopHouse, customer: bytes | None) -> Profile | None:
    """As the profile service told of them last, once they have bought."""
    told = [record.value or b"" for record in await house.topic(PROFILE_UPDATES.name) if record.key == customer]
    bundles = [msgspec.json.decode(value, type=ProfileUpdated) for value in told if b'"profile.updated"' in value]
    steps = [step for bundle in bundles for step in bundle.steps]
    return next((step.profile for step in reversed(steps) if step.profile.orders), None)


async def test_a_trade_behind_its_refund_reaches_the_profile_once_although_its_first_answer_was_lost(
    house: ShopHouse,
) -> None:
    source = source_of(TRADE["provider"] | {"secrets": [SECRETS["youzan"]]})
    await house.add_source(source)
    assert (await push(house.http, REFUND)).json() == {"code": 0, "msg": "success"}
    (port,) = ports.free(1)
    dying = house.stack.environment() | {"HUITOU_HTTP_PORT": str(port)}
    async with ingest(dying, "-c", DIES_BEFORE_THE_ANSWER) as client:
        with pytest.raises(httpx2.HTTPError):
            await push(client)
    before = len(await orders(house))
    assert before, "the broker had it before the process died"
    again = await push(house.http)
    assert again.json() == {"code": 0, "msg": "success"}

    written = await orders(house)
    assert len(written) > before
    assert len({record.key for record in written}) == 1
    assert {decode_front(record.value or b"").id for record in written} == {f"youzan/order/{ORDER}/1615111076003"}

    async def whole() -> bool:  # the buyer's other ids hand over to the strongest, a step each
        found = await profile(house, written[0].key)
        return found is not None and found.total == NET

    await house.until(whole)
    found = await profile(house, written[0].key)
    assert found is not None
    assert (found.orders, found.total, found.last_order_id) == (1, NET, ORDER)
    assert b"13900000001" not in b"".join(record.value or b"" for record in written)
