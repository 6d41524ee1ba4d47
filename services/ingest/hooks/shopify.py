"""Shopify's webhooks: signature and events, pure functions. Knows its topics and payloads; not HTTP or our records."""

from __future__ import annotations

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
from services.ingest.hooks.reading import (
    amount,
    buyer,
    known_by,
    moment,
    needed,
    needed_amount,
    needed_moment,
    text,
    written,
)
from services.ingest.hooks.signatures import hmac_base64, matches
from services.ingest.hooks.sources import Shopify
from services.ingest.strict_json import parse
from shared.ids import derived_id
from shared.instants import parse_instant

_CONSENTS: Final = {"email": "email_marketing_consent", "sms": "sms_marketing_consent"}
_GRANTED: Final = {"subscribed": True, "unsubscribed": False}
"""The other states, not_subscribed and pending, say nothing."""
_LOST: Final = frozenset({"cancelled", "error", "failure"})


def verify(delivery: Delivery, source: Shopify, _: int) -> None:
    """SignatureRefusedError unless the header holds the HMAC of the body."""
    given = delivery.header("x-shopify-hmac-sha256")
    if not matches([given], (hmac_base64(secret.encode(), delivery.raw) for secret in source.secrets)):
        raise SignatureRefusedError("X-Shopify-Hmac-SHA256: is missing or wrong")


def map_events(delivery: Delivery, source: Shopify) -> Mapped:
    """The events of one call; its topic says what the body is."""
    topic = delivery.header("x-shopify-topic")
    if topic == "customers/redact":
        return _redact(Fields(parse(delivery.raw, LIMITS)), delivery, source)
    take = _TOPICS.get(topic)
    if take is None:
        return Mapped(ignored="of a topic that is not used")
    return take(Fields(parse(delivery.raw, LIMITS)), source)


def _order(order: Fields, source: Shopify) -> Mapped:
    """An order as it now is: itself, its refunds and its parcels."""
    order_id = needed(order, "id")
    if order.raw("test")[1] is True and not source.test_orders:
        return Mapped(ignored="a test order")
    who = _who(order, order_id, source)
    if not who:
        return Mapped(ignored="names no buyer")
    facts = [_placed(order, order_id, source)]
    lost = moment(order, "cancelled_at") or (facts[0]["at"] if text(order, "financial_status") == "voided" else "")
    if lost:
        facts.append(_cancelled(order_id, lost, source))
    facts += [fact for each in order.sections("refunds") if (fact := _refund(each, order_id, source))]
    facts += [fact for each in order.sections("fulfillments") for fact in _parcel(each, order_id, source)]
    return Mapped([fact | {"customer": who} for fact in facts])


def _placed(order: Fields, order_id: str, source: Shopify) -> dict[str, Any]:
    created = needed_moment(order, "created_at")
    version = parse_instant(moment(order, "updated_at") or created)
    codes = order.sections("discount_codes")
    return {
        "type": "order.placed",
        "id": f"{issuer(source)}/order/{order_id}/{version}",
        "at": moment(order, "processed_at") or created,
        "order_id": order_id,
        "version": version,
        "amount": written(needed_amount(order, "total_price")),
        "discount": written(amount(order, "total_discounts") or Decimal(0)),
        "currency": text(order, "currency"),
        "channel": text(order, "source_name") or "shopify",
        "shop_id": text(order, "location_id"),
        "coupon": text(codes[0], "code") if codes else "",
        "lines": [line for item in order.sections("line_items") if (line := _line(item))],
    }


def _line(item: Fields) -> dict[str, Any] | None:
    product = text(item, "product_id", "sku", "variant_id")
    if not product:
        return None
    quantity = item.integer("quantity", least=0, default=1)
    total = needed_amount(item, "price") * quantity - (amount(item, "total_discount") or 0)
    return {"product": product, "quantity": quantity, "amount": written(total)}


def _cancelled(order_id: str, at: str, source: Shopify) -> dict[str, Any]:
    name = f"{issuer(source)}/order/{order_id}/cancelled"
    return {"type": "order.cancelled", "id": name, "at": at, "order_id": order_id}


def _refund(refund: Fields, order_id: str, source: Shopify) -> dict[str, Any] | None:
    """What was paid back; None for goods that came back without money."""
    refund_id, currency, total = needed(refund, "id"), "", Decimal(0)
    for paid in refund.sections("transactions"):
        if text(paid, "kind") == "refund" and text(paid, "status") == "success":
            total += needed_amount(paid, "amount")
            currency = text(paid, "currency")
    if not total:
        return None
    return {
        "type": "order.refunded",
        "id": f"{issuer(source)}/refund/{refund_id}",
        "at": needed_moment(refund, "processed_at", "created_at"),
        "refund_id": refund_id,
        "order_id": order_id,
        "amount": written(total),
        "currency": currency,
    }


def _parcel(parcel: Fields, order_id: str, source: Shopify) -> list[dict[str, Any]]:
    """Shipped, and received where the carrier says so."""
    if text(parcel, "status") in _LOST:
        return []
    number = needed(parcel, "id")
    name, common = f"{issuer(source)}/parcel/{number}", {"order_id": order_id, "shipment_id": number}
    sent, changed = needed_moment(parcel, "created_at"), moment(parcel, "updated_at")
    carrier = text(parcel, "tracking_company")
    facts = [{"type": "order.shipped", "id": f"{name}/shipped", "at": sent, "carrier": carrier} | common]
    if text(parcel, "shipment_status") == "delivered":
        facts.append({"type": "order.received", "id": f"{name}/received", "at": changed or sent} | common)
    return facts


def _by_order(read: Callable[[Fields, str, Shopify], list[dict[str, Any]]]) -> Callable[[Fields, Shopify], Mapped]:
    """A payload that names an order, but nobody: its person is known by the order."""

    def take(payload: Fields, source: Shopify) -> Mapped:
        order_id = needed(payload, "order_id")
        who = known_by(source, order_id)
        if not who:
            return Mapped(ignored="names no buyer")
        facts = read(payload, order_id, source)
        return Mapped([fact | {"customer": who} for fact in facts], "" if facts else "nothing moved")

    return take


def _one_refund(payload: Fields, order_id: str, source: Shopify) -> list[dict[str, Any]]:
    fact = _refund(payload, order_id, source)
    return [] if fact is None else [fact]


def _customer(customer: Fields, source: Shopify) -> Mapped:
    """Who a customer is, and what he consented to."""
    number = needed(customer, "id", "customer_id")
    changed = needed_moment(customer, "updated_at", "created_at")
    who = buyer(source, number, email=_email(customer), phone=text(customer, "phone"))
    name = derived_id("hook", issuer(source), "customer", number)
    label = " ".join(part for part in (text(customer, "first_name"), text(customer, "last_name")) if part)
    traits = {"type": "traits.set", "id": f"{name}/{parse_instant(changed)}", "at": changed}
    facts = [traits | {"traits": {"name": label} if label else {}}]
    facts += _consents(customer, name, changed)
    return Mapped([fact | {"customer": who} for fact in facts])


def _consent(payload: Fields, source: Shopify) -> Mapped:
    """A consent alone."""
    number = needed(payload, "customer_id", "id")
    who = buyer(source, number, email=_email(payload), phone=text(payload, "phone"))
    facts = _consents(payload, derived_id("hook", issuer(source), "customer", number), moment(payload, "updated_at"))
    return Mapped([fact | {"customer": who} for fact in facts], "" if facts else "a consent that says nothing")


def _redact(payload: Fields, delivery: Delivery, source: Shopify) -> Mapped:
    """Somebody to be forgotten, as of when Shopify asked."""
    needed(payload, "shop_domain")  # the topic is not signed: an order sent again as this one erases nobody
    customer = payload.section("customer")
    who = buyer(source, text(customer, "id"), email=_email(customer), phone=text(customer, "phone"))
    name = derived_id("hook", issuer(source), "redact", delivery.header("x-shopify-webhook-id"))
    asked = delivery.header("x-shopify-triggered-at") or None
    return Mapped(erase={"customer": who, "id": name, "at": asked})


def _consents(holder: Fields, name: str, changed: str) -> list[dict[str, Any]]:
    facts = []
    for channel, field in _CONSENTS.items():
        consent = holder.section(field)
        granted = _GRANTED.get(text(consent, "state").lower())
        # Any change of the customer is told with his consents: one without a date must not undo a later refusal.
        at = moment(consent, "consent_updated_at") or ("" if granted else changed)
        if granted is not None and at:
            facts.append(
                {
                    "type": "consent.set",
                    "id": f"{name}/{channel}/{parse_instant(at)}",
                    "at": at,
                    "channel": channel,
                    "purpose": "marketing",
                    "granted": granted,
                    "proof": text(consent, "opt_in_level"),
                }
            )
    return facts


def _who(order: Fields, order_id: str, source: Shopify) -> dict[str, str]:
    customer = order.section("customer")
    return buyer(
        source,
        text(customer, "id"),
        order_id,
        email=_email(order) or _email(customer),
        phone=text(order, "phone") or text(customer, "phone"),
    )


def _email(holder: Fields) -> str:
    return text(holder, "email", "email_address")


_TOPICS: Final[dict[str, Callable[[Fields, Shopify], Mapped]]] = {
    "orders/create": _order,
    "orders/paid": _order,
    "orders/updated": _order,
    "orders/edited": lambda *_: Mapped(ignored="said in full by orders/updated"),
    "orders/cancelled": _order,
    "orders/fulfilled": _order,
    "orders/partially_fulfilled": _order,
    "refunds/create": _by_order(_one_refund),
    "fulfillments/create": _by_order(_parcel),
    "fulfillments/update": _by_order(_parcel),
    "customers/create": _customer,
    "customers/update": _customer,
    "customers/enable": _customer,
    "customers/disable": _customer,
    "customers/email_marketing_consent_update": _consent,
    "customers/marketing_consent_update": _consent,
    "customers/data_request": lambda *_: Mapped(ignored="the shop answers it: docs/privacy.md says what is kept where"),
    "shop/redact": lambda *_: Mapped(
        ignored="the installation is the shop's: `make clean` or its databases and topics"
    ),
}

PROVIDER: Final = Provider(
    verify, map_events, plain_answer, repeat_key=lambda delivery: delivery.header("x-shopify-webhook-id")
)
