"""A person's will over HTTP: erasure by keys of its own, refusals by exact words; nothing personal is said back."""

from __future__ import annotations

import json

import httpx2
import pytest

from services.ingest.people import DOUBT_MS
from services.ingest.refusals import refusal_in
from services.ingest.write_keys import Scope, add_key
from shared.contract.facts import ConsentSet, CustomerErased, TraitsSet
from shared.instants import format_instant
from tests.shell.ingest.harness import NOW, Shopfront

PHONE = "13912345678"


async def test_every_id_of_an_erasure_is_erased_as_of_now(shop: Shopfront) -> None:
    answer = await _erase(shop, {"customer": {"member": "m1", "phone": PHONE}})

    assert (answer.status_code, answer.json()["ids"], answer.json()["at"]) == (202, 2, NOW + 2_000)
    facts = shop.publisher.facts()
    assert [type(fact) for fact in facts] == [CustomerErased, CustomerErased]
    assert {fact.at for fact in facts} == {NOW + 2_000}
    assert len({record.key for record in shop.publisher.records}) == 2
    assert all(PHONE.encode() not in record.value for record in shop.publisher.records)


async def test_an_erasure_told_again_is_as_of_when_it_was_asked_for(shop: Shopfront) -> None:
    """Whoever came back meanwhile is not erased by the retry."""
    wish: dict[str, object] = {"customer": {"member": "m1"}, "id": "e1", "at": format_instant(NOW - 60_000)}
    first, second = await _erase(shop, wish), await _erase(shop, wish)
    assert first.json() == second.json()
    assert [fact.at for fact in shop.publisher.facts()] == [NOW - 60_000] * 2


@pytest.mark.parametrize("at", [format_instant(NOW + 3_600_000), "yesterday", ""])
async def test_nobody_is_erased_as_of_an_instant_that_is_none_or_to_come(shop: Shopfront, at: str) -> None:
    answer = await _erase(shop, {"customer": {"member": "m1"}, "at": at})
    assert (answer.status_code, answer.json()["path"]) == (422, "at")
    assert shop.publisher.records == []


async def test_no_consent_outlasts_a_later_refusal_by_a_clock_that_is_fast(shop: Shopfront) -> None:
    """Within the tolerance of clocks an event stays as told; a consent would win over what is said a minute later."""
    about = {"customer": {"member": "m1"}, "channel": "sms", "purpose": "marketing", "type": "consent.set"}
    given = about | {"id": "c1", "granted": True, "at": format_instant(NOW + 240_000)}
    await shop.typed(json.dumps(given).encode())
    shop.seconds += 60
    refused = about | {"id": "c2", "granted": False, "at": format_instant(NOW + 60_000)}
    await shop.typed(json.dumps(refused).encode())
    assert [fact.at for fact in shop.publisher.facts()] == [NOW - DOUBT_MS, NOW + 60_000]


@pytest.mark.parametrize(("granted", "refused"), [(240_000, -3_000), (240_000, 0), (200_000, 210_000)])
async def test_nor_over_a_refusal_of_the_same_request(shop: Shopfront, granted: int, refused: int) -> None:
    about = {"customer": {"member": "m1"}, "channel": "sms", "purpose": "marketing", "type": "consent.set"}
    events = [
        about | {"id": "c1", "granted": True, "at": format_instant(NOW + granted)},
        about | {"id": "c2", "granted": False, "at": format_instant(NOW + refused)},
    ]
    await shop.typed(json.dumps({"events": events}).encode())
    yes, no = shop.publisher.facts()
    assert yes.at < no.at <= NOW


async def test_a_consent_of_identify_is_no_later_than_its_arrival_either(shop: Shopfront) -> None:
    traits = {"consents": {"sms": True}, "level": "gold"}
    message = {"type": "identify", "userId": "m1", "traits": traits, "timestamp": format_instant(NOW + 240_000)}
    await shop.segment(json.dumps({"batch": [message]}).encode())
    assert {type(fact): fact.at for fact in shop.publisher.facts()} == {
        TraitsSet: NOW + 240_000,
        ConsentSet: NOW - DOUBT_MS,
    }


async def test_no_address_is_later_than_its_arrival(shop: Shopfront) -> None:
    """An erasure takes the addresses up to its instant: one from a clock that is fast must not escape it."""
    message = {"type": "identify", "userId": "m1", "traits": {"phone": PHONE}, "timestamp": format_instant(NOW + 10**7)}
    await shop.segment(json.dumps({"batch": [message]}).encode())
    (point,) = shop.publisher.of("contact-points-v1")
    assert json.loads(point.value)["at"] == NOW


async def test_a_key_for_events_erases_nobody_and_the_other_way_round(shop: Shopfront) -> None:
    body = {"customer": {"member": "m1"}}
    assert (await shop.client.post("/api/v1/erasures", json=body, headers=shop.bearer)).status_code == 403
    assert (await shop.client.post("/api/v1/erasures", json=body)).status_code == 401
    key = add_key(shop.keys_file, "privacy", [Scope.ERASE])
    shop.seconds += 2
    event = {"type": "page.viewed", "id": "p", "at": "2025-06-30T09:21:33+08:00", "customer": {"member": "m1"}}
    bearer = {"authorization": f"Bearer {key}"}
    assert (await shop.client.post("/api/v1/events", json=event, headers=bearer)).status_code == 403
    assert shop.publisher.records == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"customer": {}}, "customer"),
        ({"customer": {"member": "m1", "phone": "139****5678"}}, "customer"),
        ({"customer": {"nick": "m1"}}, ".customer"),
        ({}, ""),
    ],
)
async def test_half_an_erasure_is_none(shop: Shopfront, body: dict[str, object], path: str) -> None:
    answer = await _erase(shop, body)
    assert (answer.status_code, answer.json()["path"].lstrip(".")) == (422, path.lstrip("."))
    assert shop.publisher.records == []


@pytest.mark.parametrize("text", ["TD", " ｔｄ。", "退订", "ＳＴＯＰ!", "R", "opt out", "Unsubscribe\n"])
async def test_a_word_that_refuses_ends_marketing_by_its_channel(shop: Shopfront, text: str) -> None:
    answer = await _reply(shop, text)

    assert (answer.status_code, answer.json()) == (200, {"opt_out": True})
    (fact,) = shop.publisher.facts()
    assert isinstance(fact, ConsentSet)
    assert (fact.channel, fact.purpose, fact.granted) == ("sms", "marketing", False)
    assert fact.proof == f"reply {refusal_in(text)}"


@pytest.mark.parametrize("text", ["退订吗？不", "please stop sending", "TDD", "", "好的", "T shirt"])
async def test_nothing_is_guessed_and_nothing_kept(shop: Shopfront, text: str) -> None:
    assert (await _reply(shop, text)).json() == {"opt_out": False}
    assert shop.publisher.records == []


async def test_contact_data_in_a_proof_is_masked(shop: Shopfront) -> None:
    about = {"at": "2025-06-30T09:21:33+08:00", "customer": {"member": "m1"}, "channel": "sms", "purpose": "marketing"}
    event = {"type": "consent.set", "id": "c", "granted": True, "proof": f"signed by {PHONE}"} | about
    answer = await shop.client.post("/api/v1/events", json=event, headers=shop.bearer)
    assert answer.status_code == 200
    (fact,) = shop.publisher.facts()
    assert isinstance(fact, ConsentSet)
    assert "signed by" in fact.proof
    assert PHONE not in fact.proof


async def _erase(shop: Shopfront, body: dict[str, object]) -> httpx2.Response:
    key = add_key(shop.keys_file, "privacy", [Scope.ERASE])
    shop.seconds += 2
    return await shop.client.post("/api/v1/erasures", json=body, headers={"authorization": f"Bearer {key}"})


async def _reply(shop: Shopfront, text: str) -> httpx2.Response:
    body = {"id": "r1", "at": "2025-06-30T09:21:33+08:00", "customer": {"phone": PHONE}, "channel": "sms", "text": text}
    return await shop.client.post("/api/v1/replies", json=body, headers=shop.bearer)
