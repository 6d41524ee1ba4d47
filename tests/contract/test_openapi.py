"""The OpenAPI document is valid, is that of the application, and every example in it is taken or answered; each guard is seen failing."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import httpx2
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from deploy.contracts.documents import FOLDER
from services.ingest import openapi
from services.ingest.api import Terms
from tests.shell.ingest.harness import Shopfront

Document = dict[str, Any]
DOCUMENT: Document = openapi.document()
EVENTS = "/api/v1/events"
SHORT = {"b", "t", "i", "p", "s", "g", "a"}
BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)


def examples(path: str) -> Document:
    found: Document = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"].get("examples", {})
    return {name: example["value"] for name, example in found.items()}


def answers(path: str) -> Iterator[tuple[str, str, Document, Any]]:
    """Status, name, schema and value of every example of an answer."""
    for status, answer in DOCUMENT["paths"][path]["post"]["responses"].items():
        content = answer["content"]["application/json"]
        for name, example in content["examples"].items():
            yield status, name, content["schema"], example["value"]


def against(schema: Document, value: object) -> list[str]:
    """What is wrong with a value, by a schema of the document."""
    whole = schema | {"components": DOCUMENT["components"]}
    return [error.message for error in OAS31Validator(whole).iter_errors(value)]


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_a_fault_in_the_document_is_seen() -> None:
    planted = copy.deepcopy(DOCUMENT)
    del planted["paths"][EVENTS]["post"]["responses"]["200"]["description"]
    assert list(OpenAPIV31SpecValidator(planted).iter_errors()) != []


def test_the_application_serves_this_document_and_no_route_beside_it(shop: Shopfront) -> None:
    assert json.loads(openapi.served()) == DOCUMENT
    routes = set(_paths(shop.app.routes))
    assert {path for path in routes - DOCUMENT["paths"].keys() if path.removeprefix("/v1/") not in SHORT} == set()
    assert DOCUMENT["paths"].keys() - routes == set()


def _paths(routes: Iterable[Any]) -> Iterator[str]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _paths(route.original_router.routes)
        else:
            yield route.path


async def test_the_document_is_there_for_everybody(shop: Shopfront) -> None:
    answer = await shop.client.get(openapi.PATH)
    assert (answer.status_code, answer.json()) == (200, DOCUMENT)


def test_every_description_speaks_both_languages() -> None:
    said = [
        text
        for text in _descriptions(DOCUMENT)
        if not re.search(r"[\u4e00-\u9fff]", text) or not re.search("[a-z]{2}", text)
    ]
    assert said == []


def _descriptions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for word, value in node.items():
            if word == "description" and isinstance(value, str):
                yield value
            elif word not in {"examples", "value"}:
                yield from _descriptions(value)
    elif isinstance(node, list):
        for each in node:
            yield from _descriptions(each)


@pytest.mark.parametrize("name", examples(EVENTS))
async def test_an_example_of_the_typed_api_is_valid_and_accepted(shop: Shopfront, name: str) -> None:
    value = examples(EVENTS)[name]
    schema = DOCUMENT["paths"][EVENTS]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert against(schema, value) == []
    answer = await shop.typed(json.dumps(value).encode())
    assert answer.status_code == 200
    assert {result["status"] for result in answer.json()["results"]} == {"accepted"}


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENT["paths"] if path.startswith("/v1/") and "post" in DOCUMENT["paths"][path]]
)
async def test_every_example_of_segments_shape_is_accepted(shop: Shopfront, path: str) -> None:
    for value in examples(path).values():
        key = shop.import_key if path == "/v1/import" else shop.key
        basic = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        answer = await shop.segment(json.dumps(value).encode(), path, authorization=basic)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert shop.publisher.of("rejected-events-v1") == []
    assert shop.publisher.facts() or not examples(path)


async def test_every_example_on_the_page_is_accepted(shop: Shopfront) -> None:
    shown = [json.loads(block) for block in BLOCK.findall((FOLDER / "vocabulary.md").read_text(encoding="utf-8"))]
    assert len(shown) > 70
    typed = [value for value in shown if "customer" in value]
    segment = [value for value in shown if "customer" not in value]
    assert (await shop.typed(json.dumps({"events": typed}).encode())).json()["accepted"] == len(typed)
    assert (await shop.segment(json.dumps({"batch": segment}).encode())).status_code == 200
    assert shop.publisher.of("rejected-events-v1") == []


def test_every_answer_has_an_example_of_its_schema() -> None:
    for path in DOCUMENT["paths"]:
        if "post" in DOCUMENT["paths"][path]:
            for status, name, schema, value in answers(path):
                assert against(schema, value) == [], (path, status, name)
    assert {status for status, *_ in answers(EVENTS)} >= {
        *["200", "207", "400", "401", "403", "408", "409", "413", "422", "429", "503"]
    }


def event(event_id: str = "e1", **changes: Any) -> Document:
    return {
        "type": "order.cancelled",
        "id": event_id,
        "at": "2025-06-30T09:21:33+08:00",
        "customer": {"member": "m1"},
        "order_id": "o1",
    } | changes


class Asked:
    """How each answer of the document is brought about."""

    def __init__(self, shop: Shopfront) -> None:
        self.shop = shop

    async def send(self, *events: object, **headers: str) -> httpx2.Response:
        body = json.dumps({"events": events}).encode()
        return await self.shop.typed(body, **headers)

    async def accepted(self) -> httpx2.Response:
        return await self.send(event())

    async def duplicate(self) -> httpx2.Response:
        await self.send(event())
        return await self.send(event())

    async def ahead(self) -> httpx2.Response:
        return await self.send(event(at="2099-01-01T00:00:00Z"))

    async def partly(self) -> httpx2.Response:
        return await self.send(event(), event("e2", order_id=5))

    async def not_json(self) -> httpx2.Response:
        return await self.shop.typed(b"x")

    async def no_events(self) -> httpx2.Response:
        return await self.send()

    async def bad_idempotency_key(self) -> httpx2.Response:
        return await self.send(event(), **{"idempotency-key": "a b"})

    async def unauthorized(self) -> httpx2.Response:
        return await self.send(event(), authorization="Bearer no")

    async def forbidden(self) -> httpx2.Response:
        return await self.send(event(), authorization=f"Bearer {self.shop.import_key}")

    async def too_slow(self) -> httpx2.Response:
        async def endless() -> Any:
            yield b"{"
            await asyncio.sleep(5)

        hasty = Shopfront(self.shop.keys_file.parent / "hasty", terms=Terms(body_seconds=0.05))
        return await hasty.client.post(EVENTS, content=endless(), headers=hasty.bearer)

    async def conflict(self) -> httpx2.Response:
        await self.send(event())
        return await self.send(event(order_id="o2"))

    async def key_reused(self) -> httpx2.Response:
        await self.send(event(), **{"idempotency-key": "k"})
        return await self.send(event("e2"), **{"idempotency-key": "k"})

    async def too_large(self) -> httpx2.Response:
        return await self.shop.typed(b" " * (1 << 21))

    async def rejected(self) -> httpx2.Response:
        return await self.send(event("e2", order_id=5))

    async def unavailable(self) -> httpx2.Response:
        self.shop.publisher.away = True
        return await self.send(event())


BROUGHT = [answer for answer in answers(EVENTS) if answer[1] != "rate_limited"]  # the rate limit has tests of its own


@pytest.mark.parametrize(
    ("status", "name", "schema", "value"), BROUGHT, ids=[f"{each[0]}-{each[1]}" for each in BROUGHT]
)
async def test_an_answer_is_the_one_in_the_document(
    shop: Shopfront, status: str, name: str, schema: Document, value: Any
) -> None:
    answer = await getattr(Asked(shop), name)()
    assert (answer.status_code, answer.json()) == (int(status), value)
    assert against(schema, answer.json()) == []
    named = DOCUMENT["paths"][EVENTS]["post"]["responses"][status].get("headers", {})
    assert [header for header, about in named.items() if about.get("required") and header not in answer.headers] == []
