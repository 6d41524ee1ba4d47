"""The typed API tells repeats, conflicts and odd instants per event, and answers a repeated request alike."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from services.ingest.typed_desk import AHEAD_MS
from shared.instants import format_instant
from tests.shell.ingest.harness import NOW, Shopfront

AT = "2025-06-30T09:21:33.123+08:00"


def event(event_id: str = "e1", **changes: Any) -> dict[str, Any]:
    return {
        "type": "order.cancelled",
        "id": event_id,
        "at": AT,
        "customer": {"member": "m1"},
        "order_id": "o1",
    } | changes


def many(*events: object) -> bytes:
    return json.dumps({"events": events}).encode()


def statuses(answer: Any) -> list[str]:
    return [result["status"] for result in answer.json()["results"]]


async def test_the_same_event_again_is_stored_once(shop: Shopfront) -> None:
    first = await shop.typed(many(event(), event(), event("e2")))
    assert (first.status_code, statuses(first)) == (200, ["accepted", "duplicate", "accepted"])
    spaced = json.dumps(dict(reversed(event().items())), indent=2).encode()
    again = await shop.typed(spaced)
    assert (again.status_code, statuses(again)) == (200, ["duplicate"])
    assert [fact.id for fact in shop.publisher.facts()] == ["e1", "e2"]


async def test_another_content_under_a_stored_id_is_a_conflict(shop: Shopfront) -> None:
    first = await shop.typed(many(event(), event(order_id="o2"), event("e2")))
    assert (first.status_code, statuses(first)) == (207, ["accepted", "conflict", "accepted"])
    assert first.json()["results"][1]["error"]["path"] == "id"
    assert {name: first.json()[name] for name in ("accepted", "duplicate", "conflict", "rejected")} == {
        "accepted": 2,
        "duplicate": 0,
        "conflict": 1,
        "rejected": 0,
    }
    again = await shop.typed(json.dumps(event(order_id="o2")).encode())
    assert (again.status_code, statuses(again)) == (409, ["conflict"])
    assert [fact.order_id for fact in shop.publisher.facts() if hasattr(fact, "order_id")] == ["o1", "o1"]


async def test_an_id_whose_event_was_refused_is_free(shop: Shopfront) -> None:
    both = await shop.typed(many(event(order_id=5), event(), event(order_id="o2")))
    assert (both.status_code, statuses(both)) == (207, ["rejected", "accepted", "conflict"])


async def test_an_id_of_another_source_and_an_old_one_are_no_repeats(shop: Shopfront) -> None:
    assert statuses(await shop.typed(many(event()))) == ["accepted"]
    shop.seconds += 601
    assert statuses(await shop.typed(many(event(order_id="o2")))) == ["accepted"]


async def test_what_was_not_stored_is_not_remembered(shop: Shopfront) -> None:
    shop.publisher.away = True
    assert (await shop.typed(many(event()), **{"idempotency-key": "k"})).status_code == 503
    shop.publisher.away = False
    answer = await shop.typed(many(event()), **{"idempotency-key": "k"})
    assert (answer.status_code, statuses(answer)) == (200, ["accepted"])
    assert "idempotency-replayed" not in answer.headers


async def test_an_idempotency_key_gives_the_same_answer_without_a_second_record(shop: Shopfront) -> None:
    first = await shop.typed(many(event(), event("e2", order_id=5)), **{"idempotency-key": "k"})
    packed = gzip.compress(many(event(), event("e2", order_id=5)))
    again = await shop.typed(packed, **{"idempotency-key": '"k"', "content-encoding": "gzip"})
    assert (first.status_code, again.status_code, again.content) == (207, 207, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(shop.publisher.facts()) == 1


async def test_an_idempotency_key_is_bound_to_its_body_for_a_while(shop: Shopfront) -> None:
    assert (await shop.typed(many(event()), **{"idempotency-key": "k"})).status_code == 200
    other = await shop.typed(many(event("e2")), **{"idempotency-key": "k"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(shop.publisher.facts()) == 1
    shop.seconds += 601
    assert (await shop.typed(many(event("e2")), **{"idempotency-key": "k"})).status_code == 200


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, '""'])
async def test_an_impossible_idempotency_key_is_refused(shop: Shopfront, key: str) -> None:
    answer = await shop.typed(many(event()), **{"idempotency-key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
    assert shop.publisher.records == []


@pytest.mark.parametrize(("ahead", "warned"), [(AHEAD_MS, False), (AHEAD_MS + 1, True), (10**9, True)])
async def test_an_event_ahead_of_its_arrival_is_taken_with_a_warning(
    shop: Shopfront, ahead: int, *, warned: bool
) -> None:
    answer = await shop.typed(many(event(at=format_instant(NOW + ahead))))
    assert (answer.status_code, statuses(answer)) == (200, ["accepted"])
    warnings = answer.json()["results"][0].get("warnings", [])
    assert [warning["path"] for warning in warnings] == ["at"] * warned
    assert [fact.at for fact in shop.publisher.facts()] == [NOW + ahead]
