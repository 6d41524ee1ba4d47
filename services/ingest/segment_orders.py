"""Orders of Segment's e-commerce names: placed, updated, refunded, cancelled, shipped, received. Knows their properties; not other events."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, cast

import msgspec

from services.ingest.cutting import masked
from services.ingest.envelope import Envelope
from services.ingest.fields import LONGEST_TEXT, Fields, as_amount
from shared.contract.facts import Fact, Line, OrderCancelled, OrderPlaced, OrderReceived, OrderRefunded, OrderShipped

ORDER_KINDS: Final = ("first", "repeat", "renewal", "upsell")
MOST_OF_A_LINE: Final = 10**6
LATEST_VERSION: Final = 2**53
LONGEST_VERSION: Final = 16
"""Digits."""

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_TEXT)]
_Optional = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)]


class _PlainLine(msgspec.Struct, frozen=True, gc=False):
    product_id: _Text
    quantity: Annotated[int, msgspec.Meta(ge=0, le=MOST_OF_A_LINE)] = 1
    price: Any = None
    category: _Optional = ""


class PlainOrder(msgspec.Struct, frozen=True):
    """An order as most shops send it."""

    order_id: _Text
    total: Any
    products: list[_PlainLine] = []
    currency: _Optional = ""
    version: Annotated[int, msgspec.Meta(ge=1, le=LATEST_VERSION)] | None = None
    kind: _Optional = ""
    channel: _Optional = ""
    shop_id: _Optional = ""
    guide_id: _Optional = ""
    discount: Any = None
    coupon: _Optional = ""


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
        version=_version(properties, 1),
    )


def cancelled(envelope: Envelope, properties: Fields) -> Fact:
    """Without a version the order never counted; with one, what was placed up to it."""
    version = _version(properties, 0) or None
    return OrderCancelled(**envelope.common, order_id=properties.text("order_id", "orderId"), version=version)


def _version(properties: Fields, default: int) -> int:
    """Of a whole number, also as a text. What else stands there, such as an app's "5.2.0", says nothing of the order."""
    told = properties.rest()
    for name in ("order_version", "version"):
        number = _whole(told.get(name))
        if 1 <= number <= LATEST_VERSION:
            properties.drop(name)
            return number
    return default


def _whole(value: object) -> int:
    """The number; 0 for what cannot be meant as a version, such as 2.5, true or -1."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= LONGEST_VERSION:
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    return value if type(value) is int else 0


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
    return plain_order(envelope, properties, version) or exact_order(envelope, properties, version)


def plain_order(envelope: Envelope, properties: Fields, version: int) -> Fact | None:
    """The order, if it is beyond doubt: the same as `exact_order` gives, at a third of its cost. None leaves all as it was."""
    shop, order = envelope.desk.shop, properties.plain(PlainOrder)
    if order is None or (order.currency or shop.currency).upper() != shop.currency:
        return None
    if order.version is None and "order_version" in properties.rest():
        return None
    try:
        amount, discount = as_amount(order.total, shop.exponent), _or_nothing(order.discount, shop.exponent)
        lines = tuple([_plain_line(line, shop.exponent) for line in order.products])
    except ValueError:
        return None
    properties.drop(*PlainOrder.__struct_fields__)
    return OrderPlaced(
        **envelope.common,
        order_id=order.order_id,
        amount=amount,
        currency=shop.currency,
        version=order.version or version,
        kind=cast("Any", order.kind if order.kind in ORDER_KINDS else ""),
        channel=order.channel,
        shop_id=order.shop_id,
        guide_id=order.guide_id,
        discount=discount,
        coupon=masked(order.coupon, envelope.person.known),
        lines=lines,
    )


def _plain_line(line: _PlainLine, exponent: int) -> Line:
    return Line(line.product_id, line.quantity, line.quantity * _or_nothing(line.price, exponent), line.category)


def _or_nothing(value: object, exponent: int) -> int:
    return 0 if value is None else as_amount(value, exponent)


def exact_order(envelope: Envelope, properties: Fields, version: int) -> Fact:
    """The order with all spellings of its fields; EventRefusedError names the one that is wrong."""
    shop = envelope.desk.shop
    kind = properties.text("kind", default="")
    return OrderPlaced(
        **envelope.common,
        order_id=properties.text("order_id", "orderId"),
        amount=properties.amount("total", exponent=shop.exponent),
        currency=_currency(envelope, properties),
        version=properties.integer("version", "order_version", least=1, greatest=LATEST_VERSION, default=version),
        kind=cast("Any", kind if kind in ORDER_KINDS else ""),
        channel=properties.text("channel", default=""),
        shop_id=properties.text("shop_id", default=""),
        guide_id=properties.text("guide_id", default=""),
        discount=properties.amount("discount", exponent=shop.exponent, default=0),
        coupon=envelope.free(properties, "coupon"),
        lines=tuple(_line(product, shop.exponent) for product in properties.sections("products")),
    )


def _line(product: Fields, exponent: int) -> Line:
    quantity = product.integer("quantity", least=0, greatest=MOST_OF_A_LINE, default=1)
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
