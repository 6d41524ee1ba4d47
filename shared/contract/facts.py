"""Facts about customers on customer-events-v1: the shape of each."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Channel = Literal["sms", "email", "wecom", "staff_task"]
Purpose = Literal["marketing", "service"]
Mode = Literal["live", "import"]


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every fact carries. The record's key is the customer id, its timestamp the arrival; `at` is the event's own time."""

    id: str
    """Event id, unique per source: the sender's own id, kept over its retries."""
    at: int
    """When it happened, milliseconds since 1970 UTC, as the source says."""
    source: str = ""
    mode: Mode = "live"
    """Set by the server: facts of an import change state and never fire."""
    baseline: int | None = None
    """Imports only: the logical time at the import's start; instants before it never fire."""
    confirmed: bool = False
    """Imports only: the forecast was shown and confirmed, so that instants after the baseline may fire."""
    contacts: tuple[str, ...] = ()
    """Names of the contact fields (phone, email, …) that were sealed and sent to contact-points-v1 with this fact."""
    aliases: tuple[str, ...] = ()
    """Weaker ids of the same person that the event named beside the customer id."""
    extra: dict[str, Any] = {}
    """Unknown envelope fields, kept as they came (never contact data)."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One product of an order; `amount` is the line's total in minor units."""

    product: str
    quantity: int = 1
    amount: int = 0
    category: str = ""


class OrderPlaced(Fact, frozen=True, kw_only=True, tag="order.placed"):
    """A purchase, or a newer version of one."""

    order_id: str
    amount: int
    """Total in minor units of `currency`."""
    currency: str
    version: int = 1
    """A higher version replaces the order; the same version again is a duplicate."""
    kind: Literal["first", "repeat", "renewal", "upsell", ""] = ""
    channel: str = ""
    shop_id: str = ""
    guide_id: str = ""
    discount: int = 0
    coupon: str = ""
    lines: tuple[Line, ...] = ()


class OrderRefunded(Fact, frozen=True, kw_only=True, tag="order.refunded"):
    """Money paid back, for an order or for none in particular."""

    refund_id: str
    amount: int
    """What was paid back, positive, in minor units."""
    currency: str
    order_id: str = ""
    """Empty: a refund that names no order; it lowers the amount on its own day."""
    version: int = 1
    """From behaviour 4 on a higher version replaces the refund; one of amount 0 takes it away."""


class OrderCancelled(Fact, frozen=True, kw_only=True, tag="order.cancelled"):
    """The order never counted."""

    order_id: str
    version: int | None = None
    """Of the order that was cancelled: from behaviour 4 on a higher version of it counts again. None: above every version."""


class ProductViewed(Fact, frozen=True, kw_only=True, tag="product.viewed"):
    """A view of a product, or a heartbeat while it stays visible: gaps of at most 60 s between two beats count as seen."""

    product: str
    category: str = ""
    session: str = ""


class PageViewed(Fact, frozen=True, kw_only=True, tag="page.viewed"):
    """A page or screen; kept, not yet used."""

    name: str = ""
    path: str = ""


class OrderShipped(Fact, frozen=True, kw_only=True, tag="order.shipped"):
    """A parcel of an order left; an order may have several. Kept, not yet used."""

    order_id: str
    shipment_id: str = ""
    """Tells parcels of one order apart."""
    carrier: str = ""


class OrderReceived(Fact, frozen=True, kw_only=True, tag="order.received"):
    """The customer has the parcel, or the whole order where no shipment is named. Kept, not yet used."""

    order_id: str
    shipment_id: str = ""


class StoreVisited(Fact, frozen=True, kw_only=True, tag="store.visited"):
    """The customer came to a store 到店, with or without buying. Kept, not yet used."""

    shop_id: str
    guide_id: str = ""
    """Who served him."""


class OrdersViewed(Fact, frozen=True, kw_only=True, tag="orders.viewed"):
    """He looked at his own past orders, or at one of them. Kept, not yet used."""

    order_id: str = ""


class DeliveryViewed(Fact, frozen=True, kw_only=True, tag="delivery.viewed"):
    """He looked at delivery options, of a product or in general. Kept, not yet used."""

    product: str = ""


class TicketUpdated(Fact, frozen=True, kw_only=True, tag="ticket.updated"):
    """A service ticket was opened or closed. Kept, not yet used."""

    ticket_id: str
    status: Literal["opened", "closed"]
    topic: str = ""


class ComplaintMade(Fact, frozen=True, kw_only=True, tag="complaint.made"):
    """He complained, about an order or in general. Kept, not yet used."""

    complaint_id: str
    order_id: str = ""
    topic: str = ""


class SurveyAnswered(Fact, frozen=True, kw_only=True, tag="survey.answered"):
    """One question of a survey answered: a score, words, or both. Kept, not yet used."""

    survey_id: str
    question: str = ""
    score: int | None = None
    answer: str = ""
    """Without contact data: ingest cuts it."""


class ContractSet(Fact, frozen=True, kw_only=True, tag="contract.set"):
    """Until when a contract (subscription, warranty, lease) runs. Kept, not yet used."""

    contract_id: str
    ends_on: str
    """Last day, YYYY-MM-DD, in the shop's calendar."""


class TraitsSet(Fact, frozen=True, kw_only=True, tag="traits.set"):
    """Attributes of the customer; the latest `at` wins for each name. Known: birthday (YYYY-MM-DD or --MM-DD), guide, zone, level."""

    traits: dict[str, Any]


class TagsSet(Fact, frozen=True, kw_only=True, tag="tags.set"):
    """Tags put on the customer and taken off again; per tag the latest `at` wins, and within one fact `remove`."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


class ConsentSet(Fact, frozen=True, kw_only=True, tag="consent.set"):
    """Consent given or withdrawn for one channel and purpose; the latest `at` wins. Channel "all" withdrawn is an opt-out of everything."""

    channel: Channel | Literal["all"]
    purpose: Purpose
    granted: bool
    proof: str = ""
    """What shows it later, e.g. the form or the reply; never contact data."""
    text_version: str = ""
    """Version of the text that was agreed to or refused."""
    operator: str = ""
    """Who took it down, where a person did: a staff id."""
    granted_at: int | None = None
    """The grant's own instant, ms; None: undated. From behaviour 4 on only a dated grant lifts an earlier refusal."""


class CustomerErased(Fact, frozen=True, kw_only=True, tag="customer.erased"):
    """Forget this person: whatever happened up to `at` never was, whenever it is told (docs/semantics.md §7)."""


class MessageReported(Fact, frozen=True, kw_only=True, tag="message.reported"):
    """What became of a message, told by the notifier or by a provider's receipt."""

    command_id: str
    rule: str
    channel: Channel
    status: Literal[
        "sent",
        "assumed_sent",
        "delivered",
        "opened",
        "clicked",
        "failed",
        "expired",
        "suppressed",
        "abandoned",
        "replied",
    ]
    reason: str = ""


class Tracked(Fact, frozen=True, kw_only=True, tag="tracked"):
    """Any other event: accepted and kept, not yet used."""

    name: str
    properties: dict[str, Any] = {}


CustomerFact = (
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
    | CustomerErased
    | MessageReported
    | Tracked
)
