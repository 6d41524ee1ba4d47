"""Every route asks for its scope: none of the wrong keys enters anywhere, and no route is forgotten."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.routing import Route

from services.ingest.rate import Limit
from services.ingest.write_keys import Scope, add_key, revoke_key
from tests.shell.ingest.harness import Shopfront

AT = "2025-06-30T09:21:33Z"
MESSAGE = {"type": "track", "event": "X", "userId": "m1", "messageId": "e1", "timestamp": AT}
BATCH = {"batch": [MESSAGE]}
TYPED = {"type": "tracked", "id": "e1", "at": AT, "customer": {"member": "m1"}, "name": "X"}
SINGLE = ("track", "t", "identify", "i", "page", "p", "screen", "s", "group", "g", "alias", "a")
COMPLETE = "/api/v1/sources/complete"
SCOPES: dict[str, tuple[Scope, dict[str, Any] | None]] = {
    "/v1/batch": (Scope.LIVE, BATCH),
    "/v1/b": (Scope.LIVE, BATCH),
    "/v1/import": (Scope.IMPORT, BATCH),
    **{f"/v1/{name}": (Scope.LIVE, MESSAGE) for name in SINGLE},
    "/v1/projects/{key}/settings": (Scope.LIVE, None),
    "/api/v1/events": (Scope.LIVE, TYPED),
    COMPLETE: (Scope.LIVE, {"until": AT}),
}
PERSON = {"/api/v1/erasures": Scope.ERASE, "/api/v1/replies": Scope.LIVE, "/api/v1/identity/unlink": Scope.IDENTITY}
"""Routes about a person's will; what they answer to a right key stands in test_person.py."""
OPEN = {"/healthz", "/readyz", "/openapi.json"}
NO_ROUTES = APIRouter()
PLACES = ("header", "body")
KEYS = {"none": 401, "empty": 401, "wrong": 401, "altered": 401, "revoked": 401, "wrong scope": 403}


def key_of(shop: Shopfront, kind: str, scope: Scope) -> str | None:
    good, other = (shop.key, shop.import_key) if scope is Scope.LIVE else (shop.import_key, shop.key)
    if kind == "revoked":
        fresh = add_key(shop.keys_file, "gone", [Scope.LIVE, Scope.IMPORT])
        revoke_key(shop.keys_file, fresh.partition(".")[0])
        shop.seconds += 1
        return fresh
    altered = good[:-1] + ("A" if good[-1] != "A" else "B")
    return {"none": None, "empty": "", "wrong": "hk_" + "0" * 12 + "." + "x" * 43, "altered": altered}.get(kind, other)


async def ask(shop: Shopfront, path: str, key: str | None, place: str = "header") -> int:
    _, body = SCOPES[path]
    if body is None:
        return (await shop.client.get(path.replace("{key}", key or "-"))).status_code
    typed = path.startswith("/api/")
    headers: dict[str, str] = {}
    if key is not None and (typed or place == "header"):
        basic = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        headers["authorization"] = f"Bearer {key}" if typed else basic
    elif key is not None:
        body = body | {"writeKey": key}
    return (await shop.client.post(path, content=json.dumps(body), headers=headers)).status_code


def test_every_route_is_open_or_in_the_table(shop: Shopfront) -> None:
    every = [inner for route in shop.app.routes for inner in getattr(route, "original_router", NO_ROUTES).routes]
    every += [route for route in shop.app.routes if not hasattr(route, "original_router")]
    found = {route.path for route in every if isinstance(route, Route)}
    assert len(found) == len(every)
    assert found == set(SCOPES) | set(PERSON) | OPEN


@pytest.mark.parametrize("path", SCOPES)
async def test_no_wrong_key_enters_any_route_and_the_right_one_does(shop: Shopfront, path: str) -> None:
    scope, body = SCOPES[path]
    for place in PLACES:
        answers = {kind: await ask(shop, path, key_of(shop, kind, scope), place) for kind in KEYS}
        assert answers == KEYS, place
    assert shop.publisher.records == []
    for place in PLACES:
        assert await ask(shop, path, shop.import_key if scope is Scope.IMPORT else shop.key, place) == 200
    assert {fact.id for fact in shop.publisher.facts()} == (set() if body is None or path == COMPLETE else {"e1"})
    assert bool(shop.publisher.records) is (body is not None)


@pytest.mark.parametrize("path", PERSON)
async def test_no_wrong_key_speaks_for_a_person(shop: Shopfront, path: str) -> None:
    others = [scope for scope in Scope if scope is not PERSON[path]]
    keys = [add_key(shop.keys_file, "other", others), "hk_" + "0" * 12 + "." + "x" * 43, None]
    shop.seconds += 1
    headers = [{} if key is None else {"authorization": f"Bearer {key}"} for key in keys]

    answers = [(await shop.client.post(path, content="{}", headers=one)).status_code for one in headers]

    assert answers == [403, 401, 401]
    assert shop.publisher.records == []


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/api/v1/events"])
async def test_both_keys_of_a_source_enter_while_senders_change_over(shop: Shopfront, path: str) -> None:
    scope = SCOPES[path][0]
    old, new = (add_key(shop.keys_file, "till", [scope]) for _ in range(2))
    shop.seconds += 1
    assert [await ask(shop, path, key) for key in (old, new)] == [200, 200]
    revoke_key(shop.keys_file, old.partition(".")[0])
    shop.seconds += 1
    assert [await ask(shop, path, key) for key in (old, new)] == [401, 200]


async def test_a_key_used_up_is_told_on_every_route_when_to_come_again(shop: Shopfront) -> None:
    for number, path in enumerate(path for path, (_, body) in SCOPES.items() if body is not None):
        key = add_key(shop.keys_file, f"till-{number}", list(Scope), Limit(per_second=1, burst=2))
        shop.seconds += 1
        assert [await ask(shop, path, key) for _ in range(3)] == [200, 200, 429]
        shop.seconds += 1
        assert [await ask(shop, path, key) for _ in range(2)] == [200, 429]


async def test_events_count_not_requests_and_other_keys_are_not_concerned(shop: Shopfront) -> None:
    key = add_key(shop.keys_file, "till", [Scope.LIVE], Limit(per_second=10, burst=50))
    shop.seconds += 1
    items = [MESSAGE | {"messageId": str(number)} for number in range(100)]
    headers = {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}

    first = await shop.client.post("/v1/batch", content=json.dumps({"batch": items}), headers=headers)
    second = await shop.client.post("/v1/batch", content=json.dumps({"batch": items}), headers=headers)

    assert (first.status_code, second.status_code) == (200, 429)
    assert second.headers["retry-after"] == "6"  # 50 events beyond the burst, 10 come back each second, and one more
    assert second.json()["code"] == "rate_limited"
    assert len(shop.publisher.facts()) == 100
    assert await ask(shop, "/v1/batch", shop.key) == 200
    shop.seconds += 5.5
    assert await ask(shop, "/v1/track", key) == 200


async def test_ten_times_the_limit_for_a_minute_brings_in_what_the_limit_says(shop: Shopfront) -> None:
    key = add_key(shop.keys_file, "till", [Scope.LIVE], Limit(per_second=1, burst=5))
    shop.seconds += 1
    answers = []
    for _ in range(60 * 10):
        answers.append(await ask(shop, "/v1/track", key))
        shop.seconds += 1 / 10
    assert set(answers) == {200, 429}
    assert answers.count(200) in range(5 + 59, 5 + 62)


async def test_an_unknown_key_leaves_no_trace_in_memory(shop: Shopfront) -> None:
    for number in range(50):
        assert await ask(shop, "/v1/batch", f"hk_{number:012x}.{'x' * 43}") == 401
    assert await ask(shop, "/v1/batch", shop.key) == 200
    assert set(shop.gate._buckets) == {shop.key.partition(".")[0]}


async def test_a_key_that_leaves_the_file_leaves_the_memory(shop: Shopfront) -> None:
    assert await ask(shop, "/v1/batch", shop.key) == 200
    shop.keys_file.write_text(json.dumps({"keys": []}), encoding="utf-8")
    shop.seconds += 1
    assert await ask(shop, "/v1/batch", shop.import_key) == 401
    assert shop.gate._buckets == {}


async def test_a_key_revoked_while_the_body_comes_does_not_enter(shop: Shopfront) -> None:
    begun = asyncio.Event()
    revoked = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"batch": ['
        begun.set()
        await revoked.wait()
        yield json.dumps(MESSAGE).encode() + b"]}"

    asking = asyncio.create_task(shop.client.post("/v1/batch", content=body(), headers=shop.basic))
    await begun.wait()
    revoke_key(shop.keys_file, shop.key.partition(".")[0])
    shop.seconds += 1
    revoked.set()
    assert (await asking).status_code == 401
    assert shop.publisher.records == []


async def test_whoever_shows_a_wrong_key_is_not_read(shop: Shopfront) -> None:
    answer = await shop.client.post("/v1/batch", content=b"{", headers={"authorization": "Basic eDo="})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")  # unreadable JSON would be 400
