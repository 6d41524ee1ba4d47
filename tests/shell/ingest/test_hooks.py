"""`POST /hooks/{source}` in memory: authentic calls are published before they are answered, all others change nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from services.console.letter_sender import posted
from services.ingest.hooks.delivery import LIMITS
from services.ingest.hooks.repeats import Repeats
from services.ingest.hooks.sources import HookSources, change_sources
from shared.contract.facts import CustomerErased, OrderPlaced
from tests.shell.ingest.hooked import Case, Hooked, golden
from tests.support.hooks import SECRETS, SIGNED_AT, cases, raw_of, read, signature


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("youzan/buyer_pay", {"code": 0, "msg": "success"}),
        ("youzan/test_message", {"code": 0, "msg": "success"}),
        ("shopify/orders_create", {"status": "taken", "accepted": 1, "rejected": 0}),
        ("shopify/products_update", {"status": "ignored", "reason": "of a topic that is not used"}),
        ("woocommerce/order_created", {"status": "taken", "accepted": 1, "rejected": 0}),
        (
            "generic/single",
            {
                "status": "taken",
                "accepted": 1,
                "rejected": 0,
                "results": [{"id": "pos-7-000123", "status": "accepted"}],
            },
        ),
    ],
)
async def test_a_provider_hears_what_it_understands(hooked: Hooked, name: str, answer: dict[str, Any]) -> None:
    told = await hooked.post(golden(name))

    assert (told.status_code, told.json()) == (200, answer)
    placed = [event for event in golden(name).get("events", []) if event["type"] == "order.placed"]
    assert [fact.id for fact in hooked.publisher.facts()] == [event["id"] for event in placed]
    assert {fact.source for fact in hooked.publisher.facts()} <= {name.partition("/")[0]}


async def test_nothing_is_answered_before_the_broker_has_it(hooked: Hooked) -> None:
    hooked.publisher.held.clear()
    calling = asyncio.create_task(hooked.post(golden("youzan/buyer_pay")))
    await asyncio.sleep(0.05)
    assert not calling.done()
    hooked.publisher.held.set()
    assert (await calling).json()["msg"] == "success"


async def test_without_the_broker_no_provider_hears_of_success(hooked: Hooked) -> None:
    hooked.publisher.away = True
    for name in ("youzan/buyer_pay", "shopify/orders_create", "woocommerce/order_created", "generic/single"):
        told = await hooked.post(golden(name))
        assert (told.status_code, told.headers["retry-after"]) == (503, "5")
        assert b"success" not in told.content
    hooked.publisher.away = False
    for name in ("youzan/buyer_pay", "shopify/orders_create", "woocommerce/order_created", "generic/single"):
        assert (await hooked.post(golden(name))).status_code == 200  # not taken for a repetition
    assert len(hooked.publisher.facts()) == 4


@pytest.mark.parametrize("name", ["generic/single", "shopify/orders_create", "woocommerce/order_created"])
async def test_the_same_call_again_does_nothing_and_is_answered_so_that_it_ends(hooked: Hooked, name: str) -> None:
    assert (await hooked.post(golden(name))).json()["status"] == "taken"
    assert (await hooked.post(golden(name))).json() == {"status": "repeated"}
    assert len(hooked.publisher.facts()) == 1


async def test_a_forgotten_repetition_leads_to_the_same_ids(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Repeats, "known", lambda *_: False)
    for _ in range(2):
        assert (await hooked.post(golden("generic/single"))).json()["status"] == "taken"
    assert [fact.id for fact in hooked.publisher.facts()] == ["pos-7-000123"] * 2


async def test_an_id_alone_makes_no_repetition(hooked: Hooked) -> None:
    """Shopify's id stands outside its signature."""
    other = golden("shopify/orders_create") | {"headers": golden("shopify/orders_updated")["headers"]}
    other["body"] = golden("shopify/orders_create")["body"] | {"id": 1}
    assert (await hooked.post(golden("shopify/orders_create"))).json()["status"] == "taken"
    other["headers"] = golden("shopify/orders_create")["headers"]
    assert (await hooked.post(other)).json()["status"] == "taken"


def test_the_memory_of_repetitions_is_bounded() -> None:
    repeats = Repeats(most=3)
    for number in range(5):
        repeats.take("s", str(number), b"")
    assert [repeats.known("s", str(number), b"") for number in range(5)] == [False, False, True, True, True]


async def test_an_old_call_is_refused_and_says_why(hooked: Hooked) -> None:
    hooked.now_ms += 300_001
    told = await hooked.post(golden("generic/single"))
    assert (told.status_code, told.json()["code"]) == (401, "bad_signature")
    assert "300 s" in told.json()["message"]
    assert hooked.publisher.records == []


@pytest.mark.parametrize(
    "name", ["youzan/buyer_pay", "generic/single", "shopify/orders_create", "woocommerce/order_created"]
)
async def test_a_forged_call_publishes_nothing(hooked: Hooked, name: str) -> None:
    case = golden(name)
    provider = case["provider"]["provider"]
    body = raw_of(case)
    told = await hooked.client.post(f"/hooks/{provider}", content=body, headers=case["headers"])
    assert told.status_code == 401
    assert b"success" not in told.content
    assert hooked.publisher.records == []


@pytest.mark.parametrize("source", ["nobody", "youzan2", "..", "%00", "shop%2Fify", "x" * 5_000])
async def test_an_unknown_source_is_not_there(hooked: Hooked, source: str) -> None:
    told = await hooked.client.post(f"/hooks/{source}", content=b"{}")
    assert told.status_code == 404
    assert b"success" not in told.content


def test_without_a_file_no_source_is_there() -> None:
    sources = HookSources(None, lambda: 0.0)
    assert sources.find("youzan") is None


async def test_a_bad_event_of_a_batch_is_kept_sealed_and_the_others_are_taken(hooked: Hooked) -> None:
    batch = golden("generic/batch")
    batch["body"]["events"].insert(1, {"type": "order.placed", "id": "bad", "at": "now", "customer": {"member": "m"}})
    told = (await hooked.post(batch)).json()

    assert (told["accepted"], told["rejected"]) == (2, 1)
    assert told["results"][1]["status"] == "rejected"
    (kept,) = hooked.publisher.of("rejected-events-v1")
    assert json.loads(kept.value)["path"].startswith("$.events[1]")
    assert json.loads(hooked.opened()[0])["id"] == "bad"


async def test_what_was_refused_can_be_mended_and_sent_again_as_replays_do(hooked: Hooked) -> None:
    await hooked.post(golden("generic/single") | {"body": golden("generic/single")["body"] | {"at": "yesterday"}})
    (kept,) = hooked.opened()
    mended = json.loads(kept) | {"at": "2025-06-30T09:21:33+08:00"}
    told = await posted(hooked.client, hooked.key, mended)

    assert (told.status_code, told.json()["accepted"]) == (200, 1)
    assert [fact.id for fact in hooked.publisher.facts()] == ["pos-7-000123"]


@pytest.mark.parametrize(
    ("name", "body", "path"),
    [
        ("shopify/orders_create", b'{"id":1,"id":2}', "$.id"),
        ("shopify/orders_create", b"\xff\xfe", "$"),
        ("woocommerce/order_created", b"[]", "$"),
        (
            "woocommerce/order_created",
            b'{"id":1,"status":"completed","billing":{"email":"a@example.com"}}',
            "$.date_modified_gmt",
        ),
        ("generic/single", b"[" * 5_000, "$"),
    ],
)
async def test_what_an_authentic_call_says_unreadably_is_kept_and_not_sent_again(
    hooked: Hooked, name: str, body: bytes, path: str
) -> None:
    """A provider would send it for two days, or switch the webhook off."""
    case = golden(name)
    provider = case["provider"]["provider"]
    if provider == "generic":
        signed = Webhook(SECRETS["generic"]).sign("m", datetime.fromtimestamp(SIGNED_AT, UTC), body.decode())
        headers = {"webhook-id": "m", "webhook-timestamp": str(SIGNED_AT), "webhook-signature": signed}
    else:
        headers = case["headers"] | signature(provider, body, SECRETS[provider], case)
    told = await hooked.client.post(f"/hooks/{provider}", content=body, headers=headers)

    assert (told.status_code, told.json()["rejected"]) == (200, 1)
    (kept,) = hooked.publisher.of("rejected-events-v1")
    assert json.loads(kept.value)["path"] == path
    assert hooked.opened() == [body]
    assert hooked.publisher.facts() == []


async def test_large_and_bursting_bodies_are_refused(hooked: Hooked) -> None:
    plain = await hooked.client.post("/hooks/shopify", content=b" " * (LIMITS.body + 1))
    packed = gzip.compress(b" " * (LIMITS.body + 1))
    bomb = await hooked.client.post("/hooks/shopify", content=packed, headers={"content-encoding": "gzip"})
    assert (plain.status_code, bomb.status_code) == (413, 413)
    assert len(packed) < 10_000


async def test_shopify_s_redaction_erases_every_id_of_the_person_once(hooked: Hooked) -> None:
    redaction = golden("shopify/customers_redact")
    assert (await hooked.post(redaction)).json() == {"status": "taken", "accepted": 1, "rejected": 0}
    assert (await hooked.post(redaction)).json() == {"status": "repeated"}
    facts = hooked.publisher.facts()
    assert [type(fact) for fact in facts] == [CustomerErased] * 3
    assert {fact.at for fact in facts} == {1_751_508_000_123}
    assert len({record.key for record in hooked.publisher.records}) == 3


async def test_a_redaction_with_a_number_that_identifies_nobody_erases_by_the_rest(hooked: Hooked) -> None:
    """The shop's orders with such a number were taken without it."""
    case = golden("shopify/customers_redact")
    case["body"]["customer"]["phone"] = "+1 (555) 010-9999"
    assert (await hooked.post(case)).json()["accepted"] == 1
    assert len(hooked.publisher.facts()) == 2


@pytest.mark.parametrize("wrong", [{"customer": {}}, {"customer": {"phone": "139****0002"}}, {"shop_domain": ""}])
async def test_a_redaction_that_names_nobody_is_kept_for_the_shop_to_see(hooked: Hooked, wrong: Case) -> None:
    case = golden("shopify/customers_redact")
    case["body"] |= wrong
    assert (await hooked.post(case)).json() == {"status": "taken", "accepted": 0, "rejected": 1}
    assert hooked.publisher.facts() == []
    assert hooked.opened() == [raw_of(case)]


async def test_an_order_sent_again_as_a_redaction_erases_nobody(hooked: Hooked) -> None:
    """Shopify signs the body alone."""
    case = golden("shopify/orders_create")
    case["headers"] |= {"x-shopify-topic": "customers/redact"}
    assert (await hooked.post(case)).json()["rejected"] == 1
    assert hooked.publisher.facts() == []


async def test_woocommerces_unsigned_ping_is_answered_and_means_nothing(hooked: Hooked) -> None:
    ping = {"content-type": "application/x-www-form-urlencoded"}
    assert (await hooked.client.post("/hooks/woocommerce", content=b"webhook_id=12", headers=ping)).status_code == 200
    assert (await hooked.client.post("/hooks/woocommerce", content=b"webhook_id=12&a=b")).status_code == 401
    assert (await hooked.client.post("/hooks/shopify", content=b"webhook_id=12")).status_code == 401
    assert hooked.publisher.records == []


async def test_addresses_are_sealed_and_nowhere_in_clear(hooked: Hooked) -> None:
    for path in cases():
        await hooked.post(read(path), call=path.stem)
    clear = b"".join(record.value or b"" for record in hooked.publisher.records)
    found = [
        word
        for word in ("139000000", "example.com", "oABCDEFG", "张三丰", "Meimei", "115310627314723954")
        if word.encode() in clear
    ]
    assert found == []
    assert {json.loads(record.value)["field"] for record in hooked.publisher.of("contact-points-v1")} >= {
        "phone",
        "email",
        "openid",
        "name",
    }


async def test_a_changed_file_counts_within_a_second(hooked: Hooked) -> None:
    change_sources(hooked.file, lambda sources: [each for each in sources if each.name != "shopify"])
    assert (await hooked.post(golden("shopify/orders_create"))).status_code == 200
    hooked.seconds += 1
    assert (await hooked.post(golden("shopify/orders_create"))).status_code == 404


async def test_a_broken_file_leaves_what_was_read_last_in_force(hooked: Hooked) -> None:
    hooked.file.write_bytes(b"{")
    hooked.seconds += 1
    assert (await hooked.post(golden("shopify/orders_create"))).status_code == 200


async def test_an_order_is_the_same_by_webhook_and_by_the_typed_api(hooked: Hooked) -> None:
    await hooked.post(golden("youzan/buyer_pay"))
    (fact,) = hooked.publisher.facts()
    assert isinstance(fact, OrderPlaced)
    assert (fact.amount, fact.discount, fact.version) == (21_900, 2_500, 1_615_111_076_003)
    assert fact.contacts == ("phone", "openid")
