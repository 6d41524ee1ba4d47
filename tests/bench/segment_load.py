"""The bench's ordinary day as Segment's SDKs would send it; knows the shapes of both, measures nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from deploy.demo.scenario import Event
from tests.bench.workload import day

LIBRARY = {"library": {"name": "analytics-python", "version": "2.4.0"}}


def messages(name: str, count: int, at: int, *, per_second: int) -> list[dict[str, Any]]:
    """`count` track messages: three product views to one order of two lines."""
    return [_message(event) for event in day(name, count, at, per_second=per_second)]


def batches(every: Iterable[dict[str, Any]], size: int) -> list[bytes]:
    """Bodies of /v1/batch with `size` messages each, the last with the rest. They name no `sentAt`: made before they are sent."""
    known = list(every)
    return [msgspec.json.encode({"batch": known[start : start + size]}) for start in range(0, len(known), size)]


def _message(event: Event) -> dict[str, Any]:
    placed = event["type"] == "order.placed"
    properties = _order(event) if placed else {"product_id": event["product"]}
    return {
        "type": "track",
        "event": "Order Completed" if placed else "Product Viewed",
        "messageId": event["id"],
        "userId": event["customer"]["member"],
        "anonymousId": None,
        "timestamp": event["at"],
        "context": LIBRARY,
        "integrations": {},
        "properties": properties,
    }


def _order(event: Event) -> dict[str, Any]:
    products = [
        {"product_id": line["product"], "quantity": line["quantity"], "price": line["amount"]}
        for line in event["lines"]
    ]
    return {
        "order_id": event["order_id"],
        "total": event["amount"],
        "currency": event["currency"],
        "products": products,
    }
