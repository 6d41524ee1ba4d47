"""The shapes of our typed API: what a field may be, and nothing unknown. Knows no customer, topic or HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared import events

EventId = Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Optional = Annotated[str, Meta(max_length=256)]
Amount = Any
"""A number or a text such as "239.50", in units of the shop's currency; checked by `money.minor_units`."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Customer(_Strict, frozen=True):
    """At least one identifier; the strongest names the customer."""

    member: Text | None = None
    unionid: Text | None = None
    phone: Text | None = None
    email: Text | None = None
    openid: Text | None = None
    external_userid: Text | None = None
    anonymous: Text | None = None


class _Event(_Strict, frozen=True, tag_field="type"):
    id: EventId
    """Yours, the same over retries."""
    at: str
    """RFC 3339 with an offset."""
    customer: Customer


class LineGiven(_Strict, frozen=True):
    """One product of an order."""

    product: Text
    quantity: Annotated[int, Meta(ge=0, le=10**6)] = 1
    amount: Amount = 0
    """Total of the line."""
    category: Optional = ""


class OrderPlaced(_Event, frozen=True, tag="order.placed"):
    """`amount` is what is paid; a higher `version` replaces the order."""

    order_id: Text
    amount: Amount
    currency: str = ""
    version: Annotated[int, Meta(ge=1, le=2**53)] = 1
    kind: Literal["first", "repeat", "renewal", "upsell", ""] = ""
    channel: Optional = ""
    shop_id: Optional = ""
    guide_id: Optional = ""
    discount: Amount = 0
    coupon: Optional = ""
    lines: Annotated[list[LineGiven], Meta(max_length=1_000)] = []


class OrderRefunded(_Event, frozen=True, tag="order.refunded"):
    """Without `order_id` it lowers the amount on its own day."""

    refund_id: Text
    amount: Amount
    currency: str = ""
    order_id: Optional = ""


class OrderCancelled(_Event, frozen=True, tag="order.cancelled"):
    """The order counts no more."""

    order_id: Text


class ProductViewed(_Event, frozen=True, tag="product.viewed"):
    """A view, or a heartbeat while the product stays visible."""

    product: Text
    category: Optional = ""
    session: Optional = ""


class PageViewed(_Event, frozen=True, tag="page.viewed"):
    """A page or a screen."""

    name: Optional = ""
    path: Annotated[str, Meta(max_length=2_000)] = ""


class TraitsSet(_Event, frozen=True, tag="traits.set"):
    """Attributes; contact data among them is sealed."""

    traits: dict[str, Any]


class ConsentSet(_Event, frozen=True, tag="consent.set"):
    """Consent given or withdrawn."""

    channel: events.Channel | Literal["all"]
    purpose: events.Purpose
    granted: bool
    proof: Optional = ""


class MessageReported(_Event, frozen=True, tag="message.reported"):
    """What the customer did with a message. Delivery and failure come from providers' receipts, not from here."""

    command_id: Text
    rule: Text
    channel: events.Channel
    status: Literal["opened", "clicked", "replied"]


class Tracked(_Event, frozen=True, tag="tracked"):
    """Any other event."""

    name: Text
    properties: dict[str, Any] = {}


TypedEvent = (
    OrderPlaced
    | OrderRefunded
    | OrderCancelled
    | ProductViewed
    | PageViewed
    | TraitsSet
    | ConsentSet
    | MessageReported
    | Tracked
)
