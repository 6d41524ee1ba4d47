"""What was not taken, on the real product: found, mended, replayed; its effect arrives once, whoever replays it how often."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from itertools import count
from typing import Any

import asyncpg
import httpx2
import msgspec
import pytest

from services.console import operators
from services.ingest.identifiers import Kind
from shared import clock
from shared.contract.codec import encode
from shared.contract.commands import SendMessage
from shared.contract.partitioner import partition_of
from shared.contract.topics import CUSTOMER_EVENTS, OUTREACH_COMMANDS, PROFILE_UPDATES
from shared.instants import format_instant
from shared.kafka.clients import producer
from tests.support.shop_house import ShopHouse

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(200)]
MEMBER = "M-letters"
FORGED = "'<script>alert(1)</script>\x1b[31m"


class Shop:
    """The product and an operator in front of it, who looks for what is put aside from now on."""

    def __init__(self, house: ShopHouse, secret: str) -> None:
        self.house, self.stack, self._secret = house, house.stack, secret
        self.customer = house.id_of(Kind.MEMBER, MEMBER)
        self.since = format_instant(clock.now_ms())

    async def call(self, method: str, path: str, body: Any = None, *, secret: str | None = None) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self._secret if secret is None else secret}"}
        return await self.house.console.request(method, path, json=body, headers=headers)

    async def found(self, **wanted: str) -> dict[str, Any]:
        """The answer to this search."""
        answer = await self.house.console.get("/api/v1/letters", params={"since": self.since} | wanted)
        found: dict[str, Any] = answer.json()
        return found

    async def send(self, path: str, body: Any) -> None:
        (await self.house.post(path, body, basic=True)).raise_for_status()

    async def write(self, topic: str, value: bytes) -> None:
        key = self.customer.encode()
        async with producer(self.stack.kafka) as client:
            await client.send_and_wait(topic, value, key, partition_of(key))

    async def letter(self, **wanted: str) -> dict[str, Any]:
        """The one letter of this search, once it is there."""
        async with asyncio.timeout(40):
            while not (found := await self.found(**wanted))["letters"]:
                await asyncio.sleep(0.2)
        assert found["total"] == 1
        assert found["counts"] == [{"reason": found["letters"][0]["reason"], "letters": 1}]
        letter: dict[str, Any] = found["letters"][0]
        return letter

    def command(self, *arguments: str) -> str:
        """What `services.console letters` says in the environment of the stack."""
        told = subprocess.run(
            [sys.executable, "-m", "services.console", "letters", *arguments],
            env={**os.environ, **self.stack.environment(), "COLUMNS": "240"},
            capture_output=True,
            check=True,
            text=True,
        )
        return told.stdout

    async def replay(self, letter: str, **body: Any) -> Any:
        answer = await self.call("POST", f"/api/v1/letters/{letter}/replay", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def settled(self) -> None:
        """Until a record of our customer's own partition has gone through every hop: other partitions may be ahead."""
        home, names = partition_of(self.customer.encode()), (f"settled-{clock.now_ms()}-{n}" for n in count())
        ids = ((name, self.house.id_of(Kind.MEMBER, name)) for name in names)
        marker, customer = next(one for one in ids if partition_of(one[1].encode()) == home)
        await self.send("/v1/track", order_completed(marker, "1.00", member=marker))

        async def shown() -> bool:
            return bool(await self.house.rows("SELECT 1 FROM console.customer WHERE customer = $1", customer))

        await self.house.until(shown)


def order_completed(message: str, total: Any, *, member: str = MEMBER) -> dict[str, Any]:
    properties = {"order_id": f"o-{message}", "total": total}
    return {"messageId": message, "userId": member, "event": "Order Completed", "properties": properties}


@pytest.fixture
def shop(house: ShopHouse) -> Shop:
    return Shop(house, operators.add(house.stack.secrets.operators, "alice"))


async def customer_total(shop: Shop) -> tuple[int, int]:
    """Orders and amount of our customer alone."""
    rows = await shop.house.rows("SELECT orders, amount FROM console.customer WHERE customer = $1", shop.customer)
    return (rows[0]["orders"], rows[0]["amount"]) if rows else (0, 0)


async def until_total(shop: Shop, orders: int, amount: int) -> None:
    async with asyncio.timeout(40):
        while await customer_total(shop) != (orders, amount):
            await asyncio.sleep(0.2)


async def test_a_poison_record_is_found_mended_and_replayed_with_one_effect(shop: Shop) -> None:
    orders, amount = await customer_total(shop)
    poison = {"type": "order.placed", "id": "poison-1", "at": clock.now_ms(), "order_id": "o-poison", "amount": FORGED}
    await shop.write(CUSTOMER_EVENTS.name, msgspec.json.encode(poison))
    letter = await shop.letter(service="profile")

    assert letter["topic"] == CUSTOMER_EVENTS.name
    assert "amount" in letter["reason"]
    assert (await shop.call("POST", f"/api/v1/letters/{letter['id']}/open", secret="alice.wrong")).status_code == 401
    opened = (await shop.call("POST", f"/api/v1/letters/{letter['id']}/open")).json()
    assert msgspec.json.decode(opened["content"]) == poison
    unmended = await shop.call("POST", f"/api/v1/letters/{letter['id']}/replay", {})
    assert (unmended.status_code, "mended" in unmended.text) == (409, True)

    mended = poison | {"amount": 12_000, "currency": "CNY"}
    assert await shop.replay(letter["id"], **{"with": mended}) == "put-back"
    await until_total(shop, orders + 1, amount + 12_000)
    assert await shop.replay(letter["id"], **{"with": mended}) == "settled"
    assert await shop.replay(letter["id"], again=True, **{"with": mended}) == "put-back"
    await shop.settled()
    assert await customer_total(shop) == (orders + 1, amount + 12_000)

    assert "put back" not in shop.command("replay", letter["id"], "--lang", "en")
    assert "amount" in shop.command("search", "--state", "replayed")
    assert '"order_id": "o-poison"' in shop.command("show", letter["id"][:8], "--operator", "bob")
    shown = (await shop.call("GET", f"/api/v1/letters/{letter['id']}")).json()
    done = [(each["action"], each["operator"]) for each in shown["history"]]
    acts = ("opened", "replaying", "replayed", "replaying", "replayed")
    assert done == [*((action, "alice") for action in acts), ("opened", "bob")]
    assert shown["state"] == "replayed"


async def test_a_rejected_event_is_mended_and_goes_through_the_intake_again(shop: Shop) -> None:
    await shop.send("/v1/track", order_completed("rejected-1", "twelve"))
    letter = await shop.letter(topic="rejected-events-v1", reason="number")
    assert (letter["source"], letter["path"]) == ("shop", "$.properties.total")

    assert await shop.replay(letter["id"]) == "refused"
    content = (await shop.call("POST", f"/api/v1/letters/{letter['id']}/open")).json()["content"]
    mended = msgspec.json.decode(content)
    mended["properties"]["total"] = "30.00"
    orders, amount = await customer_total(shop)
    assert await shop.replay(letter["id"], **{"with": mended}) == "accepted"
    await until_total(shop, orders + 1, amount + 3_000)
    assert await shop.replay(letter["id"], again=True, **{"with": mended}) == "accepted"
    await shop.settled()
    assert await customer_total(shop) == (orders + 1, amount + 3_000)


async def test_a_bundle_that_the_segmenter_could_not_take_is_told_anew_by_the_hop_before(shop: Shop) -> None:
    await shop.send("/v1/track", order_completed("before-bundle", "1.00"))
    await shop.settled()
    held = await customer_total(shop)
    await shop.write(PROFILE_UPDATES.name, b'{"type":"profile.updated","origin":"nowhere"}')
    letter = await shop.letter(service="segmenter")

    assert await shop.replay(letter["id"]) == "asked"
    await shop.settled()
    assert await customer_total(shop) == held
    assert (await shop.found(service="segmenter"))["total"] == 0


async def test_a_command_is_put_back_and_the_outbox_takes_it_once(shop: Shop) -> None:
    now = clock.now_ms()
    command = SendMessage(
        command_id="mended-command",
        customer=shop.customer,
        rule="thank-you",
        trigger_key="o-1",
        channel="sms",
        purpose="service",
        template="thank-you",
        effective_at=now,
        decided_at=now,
        send_by=now + 3_600_000,
        policy=1,
    )
    broken = msgspec.json.decode(encode(command)) | {"send_by": "soon"}
    await shop.write(OUTREACH_COMMANDS.name, msgspec.json.encode(broken))
    letter = await shop.letter(service="notifier")

    mended = msgspec.json.decode(encode(command))
    assert await shop.replay(letter["id"], **{"with": mended}) == "put-back"
    assert await shop.replay(letter["id"], again=True, **{"with": mended}) == "put-back"
    await shop.settled()

    async def taken() -> bool:
        return len(await shop.house.rows("SELECT 1 FROM notifier.outbox WHERE command_id = 'mended-command'")) == 1

    await shop.house.until(taken)


async def test_replays_by_filter_are_counted_first(shop: Shop) -> None:
    for number in range(5):
        await shop.send(
            "/v1/track", order_completed(f"bulk-{number}", "twelve") | {"event": "Order Cancelled", "properties": {}}
        )
    async with asyncio.timeout(40):
        while (await shop.found(reason="is missing"))["total"] < 5:
            await asyncio.sleep(0.2)
    wanted = {"reason": "is missing", "topic": "rejected-events-v1", "since": shop.since}
    assert (await shop.call("POST", "/api/v1/letters/replay", wanted)).json() == {"dry_run": True, "letters": 5}
    real = await shop.call("POST", "/api/v1/letters/replay", wanted | {"dry_run": False})
    assert real.json() == {"dry_run": False, "results": {"refused": 5}}


async def test_what_an_operator_did_stays_on_record(shop: Shop) -> None:
    for statement in ("UPDATE audit.letter_action SET operator = 'nobody'", "DELETE FROM audit.letter_action"):
        with pytest.raises(asyncpg.PostgresError, match="only appended to"):
            await shop.house.rows(statement)
