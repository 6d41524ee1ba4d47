"""From one message in Segment's shape to facts, a pure function. Knows its vocabulary; not HTTP, topics or seals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import msgspec

from services.ingest.cutting import cut
from services.ingest.fields import Fields
from services.ingest.identifiers import Kind
from services.ingest.people import Desk, Named, Person, Taken, consent_facts, consents, kept_traits, person
from shared.codec import encode
from shared.events import (
    Fact,
    Line,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    PageViewed,
    ProductViewed,
    Tracked,
    TraitsSet,
)
from shared.ids import derived_id, hash64

LONGEST_ID: Final = 128
KINDS: Final = ("track", "identify", "page", "screen", "group", "alias")
ORDER_KINDS: Final = ("first", "repeat", "renewal", "upsell")
_PLUMBING: Final = ("sentAt", "receivedAt", "channel", "version", "_metadata", "writeKey", "integrations")
"""What SDKs say about themselves and the transport."""


class Envelope(NamedTuple):
    """What every message says, read."""

    desk: Desk
    person: Person
    id: str
    at: int
    source: str

    @property
    def common(self) -> dict[str, Any]:
        """The fields that every fact carries."""
        return {"id": self.id, "at": self.at, "source": self.source, "contacts": self.person.fields}


def take(message: object, desk: Desk, *, source: str, received_at: int) -> Taken:
    """The facts of one message; EventRefusedError names the field.

    Without `messageId` the id follows from the content; without `timestamp` it happened when it was received.
    """
    fields = Fields(message)
    kind = fields.text("type")
    if kind not in KINDS:
        raise fields.refuse("type", f"must be one of {', '.join(KINDS)}")
    event_id = fields.text("messageId", default="", longest=LONGEST_ID) or derived_id(
        "content", source, hash64(encode(message).decode())
    )
    at = fields.instant("timestamp", "originalTimestamp", default=received_at)
    fields.drop("originalTimestamp", *_PLUMBING)
    properties, traits, context = fields.section("properties"), fields.section("traits"), fields.section("context")
    named = [
        Named(kind_, path, value)
        for kind_, (path, value) in ((Kind.MEMBER, fields.raw("userId")), (Kind.ANONYMOUS, fields.raw("anonymousId")))
        if value is not None
    ]
    if kind == "alias" and (previous := fields.raw("previousId"))[1] is not None:
        named.append(Named(Kind.ANONYMOUS, *previous))
    described = traits.rest() if kind == "identify" else _traits_of(context)
    someone = person(named, described, [properties.rest(), context.rest(), fields.rest()], desk.pepper)
    envelope = Envelope(desk, someone, event_id, at, source)
    facts = _facts(kind, envelope, fields, properties if kind != "identify" else traits)
    extra = fields.rest() | {"context": context.rest()} | {"properties": properties.rest()}
    return Taken(someone, _with_extra(facts, extra, someone))


def _facts(kind: str, envelope: Envelope, fields: Fields, body: Fields) -> list[Fact]:
    if kind == "identify":
        return _identify(envelope, body)
    if kind in {"page", "screen"}:
        return [_page(envelope, fields, body)]
    if kind == "track":
        name = fields.text("event")
        return [_TRACKS.get(name.lower(), _other(name))(envelope, body)]
    return [_other(kind)(envelope, body)]


def _identify(envelope: Envelope, traits: Fields) -> list[Fact]:
    given = consents(traits.section("consents"))
    fact = TraitsSet(**envelope.common, traits=kept_traits(traits, envelope.person))
    return [fact, *consent_facts(given, fact)]


def _page(envelope: Envelope, fields: Fields, properties: Fields) -> Fact:
    name = fields.text("name", default="") or properties.text("name", default="")
    seen = cut({"title": name, "path": properties.text("path", default="", longest=2_000)}, envelope.person.known)
    return PageViewed(**envelope.common, name=seen.get("title", ""), path=seen.get("path", ""))


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


def _order_completed(envelope: Envelope, properties: Fields) -> Fact:
    return _order(envelope, properties, 1)


def _order_updated(envelope: Envelope, properties: Fields) -> Fact:
    """An update that names no version counts by its instant: above 1, and the later one wins."""
    return _order(envelope, properties, envelope.at)


def _order_refunded(envelope: Envelope, properties: Fields) -> Fact:
    return OrderRefunded(
        **envelope.common,
        refund_id=properties.text("refund_id", default="") or envelope.id,
        order_id=properties.text("order_id", "orderId", default=""),
        amount=properties.amount("refund_amount", "amount", "total", exponent=envelope.desk.shop.exponent),
        currency=_currency(envelope, properties),
    )


def _order_cancelled(envelope: Envelope, properties: Fields) -> Fact:
    return OrderCancelled(**envelope.common, order_id=properties.text("order_id", "orderId"))


def _product(envelope: Envelope, properties: Fields) -> Fact:
    return ProductViewed(
        **envelope.common,
        product=properties.text("product_id", "sku"),
        category=properties.text("category", default=""),
        session=properties.text("session_id", default=""),
    )


def _other(name: str) -> Callable[[Envelope, Fields], Fact]:
    def tracked(envelope: Envelope, properties: Fields) -> Fact:
        values = dict(properties.rest())
        properties.rest().clear()
        return Tracked(**envelope.common, name=name, properties=cut(values, envelope.person.known))

    return tracked


_TRACKS: Final[dict[str, Callable[[Envelope, Fields], Fact]]] = {
    "order completed": _order_completed,
    "order updated": _order_updated,
    "order refunded": _order_refunded,
    "order cancelled": _order_cancelled,
    "product viewed": _product,
    "product visible": _product,
}


def _currency(envelope: Envelope, properties: Fields) -> str:
    """The shop's: amounts in another cannot be added to its own."""
    shop = envelope.desk.shop
    if properties.text("currency", default=shop.currency).upper() != shop.currency:
        raise properties.refuse("currency", f"must be the shop's, {shop.currency}")
    return shop.currency


def _traits_of(context: Fields) -> dict[str, Any]:
    """The traits that some SDKs send along with every event."""
    traits = context.rest().get("traits")
    return traits if isinstance(traits, dict) else {}


def _with_extra(facts: list[Fact], extra: dict[str, Any], someone: Person) -> tuple[Fact, ...]:
    """The first fact carries what nobody asked for."""
    kept = {key: value for key, value in cut(extra, someone.known).items() if value not in ({}, None)}
    if kept:
        facts[0] = msgspec.structs.replace(facts[0], extra=kept)
    return tuple(facts)
