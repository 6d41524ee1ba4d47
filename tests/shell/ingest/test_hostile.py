"""Hostile bodies: no 5xx, none reaches the facts, and outcomes add up to inputs."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.shell.ingest.harness import Shopfront

GOOD = '{"type":"track","event":"X","userId":"m1","messageId":"ok","timestamp":"2025-06-30T09:21:33Z"}'
GOOD_TYPED = '{"type":"tracked","id":"ok","at":"2025-06-30T09:21:33Z","customer":{"member":"m1"},"name":"X"}'


def order(total: str, *, more: str = "", timestamp: str = '"2025-06-30T09:21:33Z"') -> str:
    return (
        f'{{"type":"track","event":"Order Completed","userId":"m1","messageId":"bad","timestamp":{timestamp},'
        f'"properties":{{"order_id":"o1","total":{total}{more}}}}}'
    )


BAD_ITEMS = {
    "NaN": order("NaN"),
    "Infinity": order("-Infinity"),
    "1e400": order("1e400"),
    "nan as text": order('"nan"'),
    "1E+999999": order('"1E+999999"'),
    "5,000 digits": order("9" * 5_000),
    "naive timestamp": order("1", timestamp='"2025-06-30T09:21:33"'),
    "seconds": order("1", timestamp="1751246493"),
    "year 0001": order("1", timestamp='"0001-01-01T00:00:00Z"'),
    "year 9999": order("1", timestamp='"9999-01-01T00:00:00Z"'),
    "NUL": order("1", more=',"coupon":"a\\u0000b"'),
    "lone surrogate": order("1", more=',"coupon":"\\ud800"'),
    "duplicate key": order("1", more=',"total":2'),
    "900 deep": order("1", more=',"x":' + "[" * 900 + "]" * 900),
    "a number": "17",
    "a list": "[]",
    "null": "null",
    "a text": '"x"',
    "an object": "{}",
}
BAD_BODIES = {
    "empty": b"",
    "UTF-16": GOOD.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "invalid UTF-8": b'{"a":"\xff"}',
    "100k deep": b"[" * 100_000 + b"]" * 100_000,
    "cut short": GOOD.encode()[:-1],
    "followed by more": GOOD.encode() + b"{}",
    "bad gzip": b"\x1f\x8b" + b"x" * 50,
    "gzip bomb": gzip.compress(b" " * 50_000_000),
    "50 MB": b" " * 50_000_000,
    "only a text": b'"x"',
    "only null": b"null",
}


@pytest.mark.parametrize("name", BAD_ITEMS)
async def test_a_hostile_item_is_rejected_once_and_spoils_no_neighbour(shop: Shopfront, name: str) -> None:
    body = f'{{"batch":[{GOOD},{BAD_ITEMS[name]}]}}'
    response = await shop.segment(body.encode())
    assert response.status_code == 200
    assert [fact.id for fact in shop.publisher.facts()] == ["ok"]
    assert len(shop.publisher.of("rejected-events-v1")) == 1


@pytest.mark.parametrize("name", BAD_ITEMS)
async def test_a_hostile_typed_event_is_refused_to_its_sender(shop: Shopfront, name: str) -> None:
    body = f'{{"events":[{GOOD_TYPED},{BAD_ITEMS[name]}]}}'
    response = await shop.typed(body.encode())
    assert response.status_code == 207
    assert [result["status"] for result in response.json()["results"]] == ["accepted", "rejected"]
    assert [fact.id for fact in shop.publisher.facts()] == ["ok"]


@pytest.mark.parametrize("name", BAD_BODIES)
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/api/v1/events"])
async def test_a_hostile_body_is_answered_with_4xx_and_leaves_nothing(shop: Shopfront, name: str, path: str) -> None:
    headers = shop.bearer if path.startswith("/api") else shop.basic
    response = await shop.client.post(path, content=BAD_BODIES[name], headers=headers)
    assert 400 <= response.status_code < 500
    assert set(json.loads(response.content)) >= {"code", "message"}
    assert shop.publisher.records == []


@pytest.mark.parametrize("headers", [{"content-encoding": "br"}, {"content-length": "x"}, {"traceparent": "\xff"}])
async def test_odd_headers_do_no_harm(shop: Shopfront, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in (shop.bearer | headers).items()]
    response = await shop.client.post("/api/v1/events", content=GOOD_TYPED.encode(), headers=raw)
    assert response.status_code < 500
