"""What clients see: keys, limits, results per item, and success only when the broker has everything."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from typing import Any

import msgspec
import pytest

from services.ingest.write_keys import revoke_key
from shared.contract.contact_points import ContactPoint
from shared.contract.rejected_events import RejectedEvent
from shared.contract.topics import MAX_RECORD
from tests.shell.ingest.harness import Shopfront

AT = "2025-06-30T09:21:33.123+08:00"


def track(**changes: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Coupon Entered", "userId": "m1", "messageId": "e1", "timestamp": AT} | changes


def batch(*items: object) -> bytes:
    return json.dumps({"batch": items, "sentAt": AT}).encode()


def cancelled(**changes: Any) -> dict[str, Any]:
    return {"type": "order.cancelled", "id": "e1", "at": AT, "customer": {"member": "m1"}, "order_id": "o1"} | changes


async def test_a_batch_is_stored_then_confirmed(shop: Shopfront) -> None:
    response = await shop.segment(batch(track(), track(messageId="e2")))
    assert (response.status_code, response.json()) == (200, {"success": True})
    assert [fact.id for fact in shop.publisher.facts()] == ["e1", "e2"]


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}]
)
async def test_the_content_type_does_not_matter_and_gzip_is_taken(shop: Shopfront, headers: dict[str, str]) -> None:
    body = gzip.compress(batch(track()))
    response = await shop.client.post(
        "/v1/b", content=body, headers=shop.basic | headers | {"content-encoding": "gzip"}
    )
    assert response.status_code == 200
    assert len(shop.publisher.facts()) == 1


@pytest.mark.parametrize("path", ["/v1/track", "/v1/t"])
async def test_the_path_names_the_type_and_the_body_may_hold_the_key(shop: Shopfront, path: str) -> None:
    message = track(writeKey=shop.key)
    del message["type"]
    response = await shop.client.post(path, json=message)
    assert response.status_code == 200
    assert shop.key.encode() not in shop.publisher.records[0].value


async def test_without_a_valid_key_nothing_enters(shop: Shopfront) -> None:
    answers = [
        await shop.client.post("/v1/batch", content=batch(track())),
        await shop.client.post("/v1/batch", content=batch(track()), headers={"authorization": "Basic !"}),
        await shop.client.post("/api/v1/events", json=cancelled()),
        await shop.client.post("/api/v1/events", json=cancelled(), headers={"authorization": f"Bearer {shop.key}x"}),
        await shop.client.post(
            "/api/v1/events", json=cancelled(), headers={"authorization": f"Bearer {shop.import_key}"}
        ),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 403]
    assert shop.publisher.records == []


async def test_a_revoked_key_is_refused_a_second_later(shop: Shopfront) -> None:
    assert (await shop.typed(json.dumps(cancelled()).encode())).status_code == 200
    revoke_key(shop.keys_file, shop.key.partition(".")[0])
    shop.seconds += 1.0
    assert (await shop.typed(json.dumps(cancelled()).encode())).status_code == 401


async def test_one_bad_event_goes_once_to_the_rejected_events_with_sealed_bytes(shop: Shopfront) -> None:
    bad = track(timestamp="2025-06-30T09:21:33", properties={"phone": "13912345678"})
    response = await shop.segment(batch(track(), bad))
    assert response.status_code == 200
    (record,) = shop.publisher.of("rejected-events-v1")
    event = msgspec.json.decode(record.value, type=RejectedEvent)
    assert (event.source, event.path) == ("shop", "$.batch[1].timestamp")
    assert b"13912345678" not in record.value
    assert len(shop.publisher.facts()) == 1


async def test_of_a_refused_event_too_large_for_a_record_the_first_bytes_are_kept(shop: Shopfront) -> None:
    bad = track(properties={"note": "x" * 900_000})
    assert (await shop.segment(batch(track(), bad))).status_code == 200
    (record,) = shop.publisher.of("rejected-events-v1")
    event = msgspec.json.decode(record.value, type=RejectedEvent)
    assert len(record.value) < MAX_RECORD
    assert event.reason.endswith("bytes the first 524288 are kept")
    assert len(shop.publisher.facts()) == 1


async def test_an_event_with_contact_data_by_the_thousand_is_refused_in_time(shop: Shopfront) -> None:
    people = [{"phone": f"138{number:08}", "x": "aaaaa"} for number in range(900)]
    began = time.process_time()
    answer = await shop.segment(batch(track(properties={"people": [people] * 20})))
    assert (answer.status_code, shop.publisher.facts()) == (200, [])
    assert time.process_time() - began < 2


async def test_a_typed_request_answers_per_item(shop: Shopfront) -> None:
    mixed = await shop.typed(json.dumps({"events": [cancelled(), cancelled(id="e2", order_id=5)]}).encode())
    assert mixed.status_code == 207
    assert mixed.json()["results"] == [
        {"id": "e1", "status": "accepted"},
        {"id": "e2", "status": "rejected", "error": {"path": "order_id", "reason": "expected `str`, got `int`"}},
    ]
    single = await shop.typed(json.dumps(cancelled(id="e3", extra=1)).encode())
    assert (single.status_code, single.json()["rejected"]) == (422, 1)
    too_many = await shop.typed(json.dumps({"events": [cancelled()] * 501}).encode())
    assert (too_many.status_code, too_many.json()["path"]) == (400, "$.events")


async def test_while_the_broker_is_away_nothing_is_confirmed(shop: Shopfront) -> None:
    shop.publisher.away = True
    answers = [await shop.segment(batch(track())), await shop.typed(json.dumps(cancelled()).encode())]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert (await shop.client.get("/readyz")).status_code == 503
    assert (await shop.client.get("/healthz")).status_code == 200


async def test_the_answer_waits_for_the_acknowledgement(shop: Shopfront) -> None:
    shop.publisher.held.clear()
    asking = asyncio.create_task(shop.segment(batch(track())))
    await asyncio.sleep(0.05)
    assert not asking.done()
    shop.publisher.held.set()
    assert (await asking).status_code == 200


async def test_a_contact_is_sealed_once_until_it_changes_or_was_not_stored(shop: Shopfront) -> None:
    async def identify(phone: str) -> list[ContactPoint]:
        before = len(shop.publisher.of("contact-points-v1"))
        await shop.segment(batch(track(type="identify", traits={"phone": phone})))
        return [
            msgspec.json.decode(record.value, type=ContactPoint)
            for record in shop.publisher.of("contact-points-v1")[before:]
        ]

    shop.publisher.away = True
    assert await identify("13912345678") == []
    shop.publisher.away = False
    (point,) = await identify("13912345678")
    assert shop.keyring.open(point.alias, point.field, point.sealed).reveal() == "+8613912345678"
    assert point.alias == (shop.publisher.of("customer-events-v1")[-1].key or b"").decode()
    assert await identify("13912345678") == []
    assert len(await identify("13900000001")) == 1
    assert len(await identify("13912345678")) == 1


async def test_what_carries_an_address_where_it_cannot_be_cut_is_rejected(shop: Shopfront) -> None:
    item = track(
        event="Order Cancelled", properties={"order_id": "x-canary@example.com", "email": "canary@example.com"}
    )
    await shop.segment(batch(item))
    assert shop.publisher.facts() == []
    assert len(shop.publisher.of("rejected-events-v1")) == 1
    assert all(b"canary@" not in record.value for record in shop.publisher.records)
