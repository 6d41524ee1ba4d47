"""Orders of Segment's e-commerce names: placed, updated, refunded, cancelled, shipped, received. Knows their properties; not other events."""

from __future__ import annotations

from typing import Any, Final, cast

from services.ingest.envelope import Envelope
from services.ingest.fields import Fields
from shared.events import Fact, Line, OrderCancelled, OrderPlaced, OrderReceived, OrderRefunded, OrderShipped

ORDER_KINDS: Final = ("first", "repeat", "renewal", "upsell")


def completed(envelope: Envelope, properties: Fields) -> Fact:
    """The order as it was placed."""
    return _order(envelope, properties, 1)


def updated(envelope: Envelope, properties: Fields) -> Fact:
    """An update that names no version counts by its instant: above 1, and the later one wins."""
    return _order(envelope, properties, envelope.told)


def refunded(envelope: Envelope, properties: Fields) -> Fact:
    """Without `refund_id` the message is the refund."""
    return OrderRefunded(
        **envelope.common,
        refund_id=properties.text("refund_id", default="") or envelope.id,
        order_id=properties.text("order_id", "orderId", default=""),
        amount=properties.amount("refund_amount", "amount", "total", exponent=envelope.desk.shop.exponent),
        currency=_currency(envelope, properties),
    )


def cancelled(envelope: Envelope, properties: Fields) -> Fact:
    """The order never counted."""
    return OrderCancelled(**envelope.common, order_id=properties.text("order_id", "orderId"))


def shipped(envelope: Envelope, properties: Fields) -> Fact:
    """A parcel left; the carrier's number tells parcels apart where there is no other id."""
    return OrderShipped(
        **envelope.common,
        order_id=properties.text("order_id", "orderId"),
        shipment_id=properties.text("shipment_id", "tracking_number", default=""),
        carrier=envelope.free(properties, "carrier"),
    )


def received(envelope: Envelope, properties: Fields) -> Fact:
    """The parcel, or the order, has arrived."""
    return OrderReceived(
        **envelope.common,
        order_id=properties.text("order_id", "orderId"),
        shipment_id=properties.text("shipment_id", "tracking_number", default=""),
    )


def _order(envelope: Envelope, properties: Fields, version: int) -> Fact:
    shop = envelope.desk.shop
    kind = properties.text("kind", default="")
    return OrderPlaced(
        **envelope.common,
        order_id=properties.text("order_id", "orderId"),
        amount=properties.amount("total", exponent=shop.exponent),
        currency=_currency(envelope, properties),
        version=properties.integer("version", "order_version", least=1, default=version),
        kind=cast("Any", kind if kind in ORDER_KINDS else ""),
        channel=properties.text("channel", default=""),
        shop_id=properties.text("shop_id", default=""),
        guide_id=properties.text("guide_id", default=""),
        discount=properties.amount("discount", exponent=shop.exponent, default=0),
        coupon=properties.text("coupon", default=""),
        lines=tuple(_line(product, shop.exponent) for product in properties.sections("products")),
    )


def _line(product: Fields, exponent: int) -> Line:
    quantity = product.integer("quantity", least=0, greatest=10**6, default=1)
    return Line(
        product=product.text("product_id", "sku"),
        quantity=quantity,
        amount=quantity * product.amount("price", exponent=exponent, default=0),
        category=product.text("category", default=""),
    )


def _currency(envelope: Envelope, properties: Fields) -> str:
    """The shop's: amounts in another cannot be added to its own."""
    shop = envelope.desk.shop
    if properties.text("currency", default=shop.currency).upper() != shop.currency:
        raise properties.refuse("currency", f"must be the shop's, {shop.currency}")
    return shop.currency
