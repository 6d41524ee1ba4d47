"""WooCommerce's webhooks: signature and events, pure functions. Knows its topics and payloads; not HTTP or records."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from services.ingest.fields import Fields
from services.ingest.hooks.delivery import (
    LIMITS,
    Delivery,
    Mapped,
    Provider,
    SignatureRefusedError,
    issuer,
    plain_answer,
)
from services.ingest.hooks.reading import UTC, amount, buyer, needed, needed_amount, needed_moment, text
from services.ingest.hooks.reading import written as money
from services.ingest.hooks.signatures import hmac_base64, matches
from services.ingest.hooks.sources import Woocommerce
from services.ingest.strict_json import parse
from shared.ids import derived_id
from shared.instants import parse_instant

_BOUGHT: Final = frozenset({"processing", "completed", "on-hold", "refunded"})
"""States of an order that was placed in earnest; pending, failed and drafts may still become one."""
_LOST: Final = frozenset({"cancelled", "trash"})
_PING: Final = re.compile(rb"webhook_id=[0-9]{1,20}")
_NOBODY: Final = "0"
"""The customer number of guests, and the product number of what is none."""


def verify(delivery: Delivery, source: Woocommerce, _: int) -> None:
    """SignatureRefusedError unless the header holds the HMAC of the body."""
    given = delivery.header("x-wc-webhook-signature")
    if not matches([given], (hmac_base64(secret.encode(), delivery.raw) for secret in source.secrets)):
        raise SignatureRefusedError("X-WC-Webhook-Signature: is missing or wrong")


def ping(delivery: Delivery) -> bool:
    """The unsigned form that comes when a webhook is saved: without an answer it is not switched on."""
    return not delivery.header("x-wc-webhook-signature") and _PING.fullmatch(delivery.raw) is not None


def map_events(delivery: Delivery, source: Woocommerce) -> Mapped:
    """The events of one call; its topic says what the body is."""
    take = _TOPICS.get(delivery.header("x-wc-webhook-topic"))
    if take is None:
        return Mapped(ignored="of a topic that is not used")
    return take(Fields(parse(delivery.raw, LIMITS)), source)


def _order(order: Fields, source: Woocommerce) -> Mapped:
    """An order as it now is, and its refunds."""
    order_id, status = needed(order, "id"), text(order, "status")
    if status not in _BOUGHT | _LOST:
        return Mapped(ignored="an order that is not placed yet")
    billing, number = order.section("billing"), text(order, "customer_id")
    number = "" if number == _NOBODY else number
    who = buyer(source, number, order_id, email=text(billing, "email"), phone=text(billing, "phone"))
    if not who:
        return Mapped(ignored="names no buyer")
    changed = needed_moment(order, "date_modified_gmt", offset=UTC)
    if status in _LOST:
        facts = [_cancelled(order_id, changed, source)]
    else:
        facts = [_placed(order, order_id, changed, source)]
        facts += [_refund(each, order_id, changed, source) for each in order.sections("refunds")]
    return Mapped([fact | {"customer": who} for fact in facts])


def _placed(order: Fields, order_id: str, changed: str, source: Woocommerce) -> dict[str, Any]:
    version, codes = parse_instant(changed), order.sections("coupon_lines")
    return {
        "type": "order.placed",
        "id": f"{issuer(source)}/order/{order_id}/{version}",
        "at": needed_moment(order, "date_created_gmt", offset=UTC),
        "order_id": order_id,
        "version": version,
        "amount": money(needed_amount(order, "total")),
        "discount": money((amount(order, "discount_total") or Decimal(0)) + (amount(order, "discount_tax") or 0)),
        "currency": text(order, "currency"),
        "channel": "woocommerce",
        "coupon": text(codes[0], "code") if codes else "",
        "lines": [line for item in order.sections("line_items") if (line := _line(item))],
    }


def _line(item: Fields) -> dict[str, Any] | None:
    product = text(item, "product_id", "sku")
    if product in {"", _NOBODY}:
        return None
    total = needed_amount(item, "total") + (amount(item, "total_tax") or 0)
    return {"product": product, "quantity": item.integer("quantity", least=0, default=1), "amount": money(total)}


def _refund(refund: Fields, order_id: str, changed: str, source: Woocommerce) -> dict[str, Any]:
    """Totals of refunds are written below zero, without their time: the order's latest change stands for it."""
    refund_id = needed(refund, "id")
    return {
        "type": "order.refunded",
        "id": f"{issuer(source)}/refund/{refund_id}",
        "at": changed,
        "refund_id": refund_id,
        "order_id": order_id,
        "amount": money(abs(needed_amount(refund, "total"))),
    }


def _cancelled(order_id: str, at: str, source: Woocommerce) -> dict[str, Any]:
    name = f"{issuer(source)}/order/{order_id}/cancelled"
    return {"type": "order.cancelled", "id": name, "at": at, "order_id": order_id}


def _customer(customer: Fields, source: Woocommerce) -> Mapped:
    """Who a customer is."""
    number = needed(customer, "id")
    changed = needed_moment(customer, "date_modified_gmt", "date_created_gmt", offset=UTC)
    billing = customer.section("billing")
    email = text(customer, "email") or text(billing, "email")
    names = (text(customer, "first_name"), text(customer, "last_name"))
    label = " ".join(part for part in names if part)
    given = {
        "type": "traits.set",
        "id": derived_id("hook", issuer(source), "customer", number, parse_instant(changed)),
        "at": changed,
        "customer": buyer(source, number, email=email, phone=text(billing, "phone")),
        "traits": {"name": label} if label else {},
    }
    return Mapped((given,))


_TOPICS: Final[dict[str, Callable[[Fields, Woocommerce], Mapped]]] = {
    "order.created": _order,
    "order.updated": _order,
    "order.restored": _order,
    "customer.created": _customer,
    "customer.updated": _customer,
}

PROVIDER: Final = Provider(
    verify,
    map_events,
    plain_answer,
    repeat_key=lambda delivery: delivery.header("x-wc-webhook-delivery-id"),
    ping=ping,
)
