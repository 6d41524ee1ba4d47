"""A signed trade of 有赞 on a real broker, its refund told before it: the profile has both; a kill before the answer leaves one effect."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from deploy.stack.stack import Stack
from services.ingest.hooks.sources import change_sources, source_of
from shared.contract.bundles import Profile, ProfileUpdated
from shared.contract.codec import decode_front
from shared.contract.facts import OrderPlaced
from tests.integration.test_ingest import read
from tests.support.hooks import GOLDEN, SECRETS, raw_of, signature
from tests.support.hooks import read as golden
from tests.support.stack import jar_cache

pytestmark = pytest.mark.timeout(240)

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


async def orders(kafka: str) -> list[ConsumerRecord]:
    front = await read(kafka, "customer-events-v1")
    return [record for record in front if record.value and isinstance(decode_front(record.value), OrderPlaced)]


async def profiles(kafka: str) -> list[Profile]:
    """Of every step that the profile service told of somebody who bought."""
    told = [record for record in await read(kafka, "profile-updates-v1") if record.key is not None]
    steps = [step for record in told for step in msgspec.json.decode(record.value, type=ProfileUpdated).steps]
    return [step.profile for step in steps if step.profile.orders]


async def test_a_trade_behind_its_refund_reaches_the_profile_once_although_its_first_answer_was_lost(
    tmp_path: Path,
) -> None:
    async with Stack(
        directory=tmp_path / "stack", services=("profile",), durable=False, brief=True, cache=jar_cache()
    ) as stack:
        source = source_of(TRADE["provider"] | {"secrets": [SECRETS["youzan"]]})
        change_sources(stack.secrets.hooks, lambda _: [source])
        told = stack.environment()
        async with ingest(told, "-m", "services.ingest", "http") as client:
            assert (await push(client, REFUND)).json() == {"code": 0, "msg": "success"}
        async with ingest(told, "-c", DIES_BEFORE_THE_ANSWER) as client:
            with pytest.raises(httpx2.HTTPError):
                await push(client)
        before = len(await orders(stack.kafka))
        assert before, "the broker had it before the process died"
        async with ingest(told, "-m", "services.ingest", "http") as client:
            again = await push(client)
            assert again.json() == {"code": 0, "msg": "success"}

        written = await orders(stack.kafka)
        assert len(written) > before
        assert len({record.key for record in written}) == 1
        assert {decode_front(record.value).id for record in written} == {
            "youzan/order/E20210307175649090904167/1615111076003"
        }
        for _ in range(PATIENCE):  # the buyer's other ids hand over to his strongest, a step each
            found = await profiles(stack.kafka)
            if found and found[-1].total == NET:
                break
            await asyncio.sleep(0.1)
        profile = found[-1]
        assert (profile.orders, profile.total, profile.last_order_id) == (1, NET, "E20210307175649090904167")
        assert b"13900000001" not in b"".join(record.value or b"" for record in written)
