"""Which fact each of Segment's event names becomes; what has none of its own stays tracked, whole. Knows names and properties; not envelopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, cast, get_args

from services.ingest import segment_orders
from services.ingest.cutting import NOTHING, cut, masked
from services.ingest.envelope import Envelope
from services.ingest.fields import Fields, as_day
from services.ingest.people import CHANNELS, PURPOSES
from shared.contract.facts import (
    Channel,
    ComplaintMade,
    ConsentSet,
    ContractSet,
    DeliveryViewed,
    Fact,
    MessageReported,
    OrdersViewed,
    ProductViewed,
    StoreVisited,
    SurveyAnswered,
    TicketUpdated,
    Tracked,
    TraitsSet,
)

LONGEST_ANSWER: Final = 4_000
MOST_SCORE: Final = 100
_NO_SCORE: Final = -1

Take = Callable[[Envelope, Fields], Fact | None]
"""Reads the properties; None where they do not suffice for a fact of its own."""


def fact_of(name: str, envelope: Envelope, properties: Fields) -> Fact:
    """The fact that a track event of this name is; names are compared without regard to case."""
    take = NAMES.get(name.lower())
    return (take(envelope, properties) if take is not None else None) or tracked(name, envelope, properties)


def tracked(name: str, envelope: Envelope, properties: Fields) -> Fact:
    """The event kept whole, without contact data."""
    values = dict(properties.rest())
    properties.rest().clear()
    known = envelope.person.known
    return Tracked(**envelope.common, name=masked(name, known), properties=cut(values, known))


def level_told(properties: Fields, envelope: Envelope) -> list[Fact]:
    """The trait `level`, where the event names the customer's `member_level`; it stays among the properties, too."""
    level = properties.rest().get("member_level")
    return level_facts(level, envelope.common) if isinstance(level, str) else []


def level_facts(level: str, common: dict[str, Any]) -> list[Fact]:
    """The trait `level` as of this event, with an id that follows from the event's; none for an empty level."""
    level = masked(level.strip()[:256], NOTHING)
    return [TraitsSet(**common | {"id": f"{common['id']}#level"}, traits={"level": level})] if level else []


def _product(envelope: Envelope, properties: Fields) -> Fact:
    return ProductViewed(
        **envelope.common,
        product=properties.text("product_id", "sku"),
        category=properties.text("category", default=""),
        session=properties.text("session_id", default=""),
    )


def _store(envelope: Envelope, properties: Fields) -> Fact:
    return StoreVisited(
        **envelope.common, shop_id=properties.text("shop_id"), guide_id=properties.text("guide_id", default="")
    )


def _orders(envelope: Envelope, properties: Fields) -> Fact:
    return OrdersViewed(**envelope.common, order_id=properties.text("order_id", "orderId", default=""))


def _delivery(envelope: Envelope, properties: Fields) -> Fact:
    return DeliveryViewed(**envelope.common, product=properties.text("product_id", "sku", default=""))


def _ticket(status: Literal["opened", "closed"]) -> Take:
    def ticket(envelope: Envelope, properties: Fields) -> Fact:
        return TicketUpdated(
            **envelope.common,
            ticket_id=properties.text("ticket_id"),
            status=status,
            topic=envelope.free(properties, "topic"),
        )

    return ticket


def _complaint(envelope: Envelope, properties: Fields) -> Fact:
    return ComplaintMade(
        **envelope.common,
        complaint_id=properties.text("complaint_id", default="") or envelope.id,
        order_id=properties.text("order_id", "orderId", default=""),
        topic=envelope.free(properties, "topic"),
    )


def _survey(envelope: Envelope, properties: Fields) -> Fact:
    score = properties.integer("score", least=0, greatest=MOST_SCORE, default=_NO_SCORE)
    return SurveyAnswered(
        **envelope.common,
        survey_id=properties.text("survey_id"),
        question=envelope.free(properties, "question"),
        score=None if score == _NO_SCORE else score,
        answer=envelope.free(properties, "answer", longest=LONGEST_ANSWER),
    )


def _contract(envelope: Envelope, properties: Fields) -> Fact:
    contract = properties.text("contract_id")
    day = properties.text("ends_on")
    try:
        return ContractSet(**envelope.common, contract_id=contract, ends_on=as_day(day))
    except ValueError as error:
        raise properties.refuse("ends_on", str(error)) from None


def _message(status: Literal["opened", "clicked", "replied"]) -> Take:
    def message(envelope: Envelope, properties: Fields) -> Fact | None:
        if properties.rest().get("command_id") is None:  # not one of ours
            return None
        channel = properties.text("channel")
        if channel not in get_args(Channel):
            raise properties.refuse("channel", f"must be one of {', '.join(get_args(Channel))}")
        return MessageReported(
            **envelope.common,
            command_id=properties.text("command_id"),
            rule=properties.text("rule"),
            channel=cast("Channel", channel),
            status=status,
        )

    return message


def _unsubscribed(usual: str) -> Take:
    def unsubscribed(envelope: Envelope, properties: Fields) -> Fact:
        channel = properties.text("channel", default=usual)
        purpose = properties.text("purpose", default="marketing")
        for name, value, known in (("channel", channel, CHANNELS), ("purpose", purpose, PURPOSES)):
            if value not in known:
                raise properties.refuse(name, f"must be one of {', '.join(known)}")
        return ConsentSet(
            **envelope.common,
            channel=cast("Any", channel),
            purpose=cast("Any", purpose),
            granted=False,
            proof=envelope.free(properties, "proof"),
        )

    return unsubscribed


NAMES: Final[dict[str, Take]] = {
    "order completed": segment_orders.completed,
    "order updated": segment_orders.updated,
    "order refunded": segment_orders.refunded,
    "order cancelled": segment_orders.cancelled,
    "order shipped": segment_orders.shipped,
    "order received": segment_orders.received,
    "order delivered": segment_orders.received,
    "product viewed": _product,
    "product visible": _product,
    "store visited": _store,
    "orders viewed": _orders,
    "delivery options viewed": _delivery,
    "ticket opened": _ticket("opened"),
    "ticket closed": _ticket("closed"),
    "complaint made": _complaint,
    "survey answered": _survey,
    "contract set": _contract,
    "message opened": _message("opened"),
    "message clicked": _message("clicked"),
    "message replied": _message("replied"),
    "email opened": _message("opened"),
    "email link clicked": _message("clicked"),
    "message unsubscribed": _unsubscribed("all"),
    "unsubscribed": _unsubscribed("email"),
}
"""Names with a fact of their own, in lower case."""
