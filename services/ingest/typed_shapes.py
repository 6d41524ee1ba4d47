"""The shapes of our typed API: what a field may be, and nothing unknown. Knows no customer, topic or HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.contract import facts as events

EventId = Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z", extra_json_schema={"pattern": "^[!-~]{1,128}$"})]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Optional = Annotated[str, Meta(max_length=256)]
Words = Annotated[str, Meta(max_length=4_000)]
Day = Annotated[
    str, Meta(pattern=r"^\d{4}-\d\d-\d\d\Z", extra_json_schema={"format": "date", "pattern": "^[0-9-]{10}$"})
]
Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Version = Annotated[int, Meta(ge=1, le=2**53)]
Amount = Annotated[
    Any,
    Meta(
        extra_json_schema={
            "oneOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?$", "maxLength": 19},
            ]
        }
    ),
]
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


class _Event(_Strict, frozen=True, kw_only=True, tag_field="type"):
    id: EventId
    """Yours, the same over retries."""
    at: Instant
    """RFC 3339 with an offset."""
    customer: Customer


class Placed(_Event, frozen=True, kw_only=True):
    """Where it happened, who served, and the customer's level: known of most events."""

    shop_id: Optional = ""
    channel: Optional = ""
    """tmall, jd, douyin, wxmp, pos, or a word of the shop's own."""
    guide_id: Optional = ""
    member_level: Optional = ""
    """Becomes the trait `level` as of this event's instant."""


class LineGiven(_Strict, frozen=True):
    """One product of an order."""

    product: Text
    quantity: Annotated[int, Meta(ge=0, le=10**6)] = 1
    amount: Amount = 0
    """Total of the line."""
    category: Optional = ""


class OrderPlaced(Placed, frozen=True, kw_only=True, tag="order.placed"):
    """`amount` is what is paid; a higher `version` replaces the order."""

    order_id: Text
    amount: Amount
    currency: str = ""
    version: Version = 1
    kind: Literal["first", "repeat", "renewal", "upsell", ""] = ""
    discount: Amount = 0
    coupon: Optional = ""
    lines: Annotated[list[LineGiven], Meta(max_length=1_000)] = []


class OrderRefunded(Placed, frozen=True, kw_only=True, tag="order.refunded"):
    """Without `order_id` it lowers the amount on its own day. From behaviour 4 on a higher `version` replaces the refund, one of amount 0 takes it away."""

    refund_id: Text
    amount: Amount
    currency: str = ""
    order_id: Optional = ""
    version: Version = 1


class OrderCancelled(Placed, frozen=True, kw_only=True, tag="order.cancelled"):
    """The order counts no more. With a `version`, from behaviour 4 on, a higher version of the order counts again."""

    order_id: Text
    version: Version | None = None


class ProductViewed(Placed, frozen=True, kw_only=True, tag="product.viewed"):
    """A view, or a heartbeat while the product stays visible."""

    product: Text
    category: Optional = ""
    session: Optional = ""


class PageViewed(Placed, frozen=True, kw_only=True, tag="page.viewed"):
    """A page or a screen."""

    name: Optional = ""
    path: Annotated[str, Meta(max_length=2_000)] = ""


class OrderShipped(Placed, frozen=True, kw_only=True, tag="order.shipped"):
    """A parcel of the order left."""

    order_id: Text
    shipment_id: Optional = ""
    carrier: Optional = ""


class OrderReceived(Placed, frozen=True, kw_only=True, tag="order.received"):
    """The parcel, or without `shipment_id` the order, has arrived."""

    order_id: Text
    shipment_id: Optional = ""


class StoreVisited(Placed, frozen=True, kw_only=True, tag="store.visited"):
    """The customer came to a store."""

    shop_id: Text


class OrdersViewed(Placed, frozen=True, kw_only=True, tag="orders.viewed"):
    """A look at his own past orders, or at one of them."""

    order_id: Optional = ""


class DeliveryViewed(Placed, frozen=True, kw_only=True, tag="delivery.viewed"):
    """A look at delivery options."""

    product: Optional = ""


class TicketUpdated(Placed, frozen=True, kw_only=True, tag="ticket.updated"):
    """A service ticket was opened or closed."""

    ticket_id: Text
    status: Literal["opened", "closed"]
    topic: Optional = ""


class ComplaintMade(Placed, frozen=True, kw_only=True, tag="complaint.made"):
    """A complaint, about an order or in general."""

    complaint_id: Text
    order_id: Optional = ""
    topic: Optional = ""


class SurveyAnswered(Placed, frozen=True, kw_only=True, tag="survey.answered"):
    """One question answered: a score, words, or both."""

    survey_id: Text
    question: Optional = ""
    score: Annotated[int, Meta(ge=0, le=100)] | None = None
    answer: Words = ""


class ContractSet(Placed, frozen=True, kw_only=True, tag="contract.set"):
    """The last day of a contract."""

    contract_id: Text
    ends_on: Day


class TraitsSet(_Event, frozen=True, kw_only=True, tag="traits.set"):
    """Attributes; contact data among them is sealed."""

    traits: dict[str, Any]


Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=100)]


class TagsSet(_Event, frozen=True, kw_only=True, tag="tags.set"):
    """Tags put on and taken off."""

    add: Tags = []
    remove: Tags = []


class ConsentSet(_Event, frozen=True, kw_only=True, tag="consent.set"):
    """Consent given or withdrawn."""

    channel: events.Channel | Literal["all"]
    purpose: events.Purpose
    granted: bool
    proof: Optional = ""
    """What shows it, e.g. the form; contact data in it is masked."""
    text_version: Optional = ""
    operator: Optional = ""
    """Staff id."""
    granted_at: Instant | None = None
    """When it was granted, where that was before `at`. After a refusal only a later grant counts (behaviour 4)."""


class MessageReported(_Event, frozen=True, kw_only=True, tag="message.reported"):
    """What the customer did with a message. Delivery and failure come from providers' receipts, not from here."""

    command_id: Text
    rule: Text
    channel: events.Channel
    status: Literal["opened", "clicked", "replied"]


class Tracked(_Event, frozen=True, kw_only=True, tag="tracked"):
    """Any other event, kept whole; shop_id, channel, guide_id and member_level stand among its properties."""

    name: Text
    properties: dict[str, Any] = {}


TypedEvent = (
    OrderPlaced
    | OrderRefunded
    | OrderCancelled
    | ProductViewed
    | PageViewed
    | OrderShipped
    | OrderReceived
    | StoreVisited
    | OrdersViewed
    | DeliveryViewed
    | TicketUpdated
    | ComplaintMade
    | SurveyAnswered
    | ContractSet
    | TraitsSet
    | TagsSet
    | ConsentSet
    | MessageReported
    | Tracked
)
