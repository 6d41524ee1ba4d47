"""Which fact each typed event is, field by field. Knows shapes, amounts and days; not customers, HTTP or topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from services.ingest import typed_shapes as given
from services.ingest.cutting import cut, masked
from services.ingest.fields import EventRefusedError, Fields, as_day
from services.ingest.money import minor_units
from services.ingest.people import Desk, Person, granted_instant, kept_traits
from shared.contract import facts as events

_ELSEWHERE: Final = ("shop_id", "channel", "guide_id", "member_level")


class Slip(NamedTuple):
    """What goes with every event: the desk, whom it is about, and the fields that every fact carries."""

    desk: Desk
    person: Person
    common: dict[str, Any]

    def free(self, text: str) -> str:
        """A free text without contact data."""
        return masked(text, self.person.known)


def fact_of(event: given.TypedEvent, slip: Slip) -> events.Fact:
    """The fact; EventRefusedError names the field. Where a fact has no field for place and people, they stand in `extra`."""
    fact = _TAKERS[type(event)](event, slip)
    if isinstance(event, given.Placed):
        own = fact.__struct_fields__
        rest = {name: value for name in _ELSEWHERE if name not in own and (value := getattr(event, name))}
        if rest:
            return msgspec.structs.replace(fact, extra={"properties": cut(rest, slip.person.known)})
    return fact


def _order(event: given.OrderPlaced, slip: Slip) -> events.Fact:
    desk = slip.desk
    lines = tuple(
        events.Line(
            product=line.product,
            quantity=line.quantity,
            amount=_amount(f"lines[{index}].amount", line.amount, desk),
            category=line.category,
        )
        for index, line in enumerate(event.lines)
    )
    return events.OrderPlaced(
        **slip.common,
        order_id=event.order_id,
        amount=_amount("amount", event.amount, desk),
        currency=_currency(event.currency, desk),
        version=event.version,
        kind=event.kind,
        channel=event.channel,
        shop_id=event.shop_id,
        guide_id=event.guide_id,
        discount=_amount("discount", event.discount, desk),
        coupon=slip.free(event.coupon),
        lines=lines,
    )


def _refund(event: given.OrderRefunded, slip: Slip) -> events.Fact:
    amount, currency = _amount("amount", event.amount, slip.desk), _currency(event.currency, slip.desk)
    return events.OrderRefunded(
        **slip.common,
        refund_id=event.refund_id,
        order_id=event.order_id,
        amount=amount,
        currency=currency,
        version=event.version,
    )


def _cancelled(event: given.OrderCancelled, slip: Slip) -> events.Fact:
    return events.OrderCancelled(**slip.common, order_id=event.order_id, version=event.version)


def _product(event: given.ProductViewed, slip: Slip) -> events.Fact:
    return events.ProductViewed(**slip.common, product=event.product, category=event.category, session=event.session)


def _page(event: given.PageViewed, slip: Slip) -> events.Fact:
    seen = cut({"title": event.name, "path": event.path}, slip.person.known)
    return events.PageViewed(**slip.common, name=seen.get("title", ""), path=seen.get("path", ""))


def _shipped(event: given.OrderShipped, slip: Slip) -> events.Fact:
    return events.OrderShipped(
        **slip.common, order_id=event.order_id, shipment_id=event.shipment_id, carrier=slip.free(event.carrier)
    )


def _received(event: given.OrderReceived, slip: Slip) -> events.Fact:
    return events.OrderReceived(**slip.common, order_id=event.order_id, shipment_id=event.shipment_id)


def _store(event: given.StoreVisited, slip: Slip) -> events.Fact:
    return events.StoreVisited(**slip.common, shop_id=event.shop_id, guide_id=event.guide_id)


def _orders(event: given.OrdersViewed, slip: Slip) -> events.Fact:
    return events.OrdersViewed(**slip.common, order_id=event.order_id)


def _delivery(event: given.DeliveryViewed, slip: Slip) -> events.Fact:
    return events.DeliveryViewed(**slip.common, product=event.product)


def _ticket(event: given.TicketUpdated, slip: Slip) -> events.Fact:
    return events.TicketUpdated(
        **slip.common, ticket_id=event.ticket_id, status=event.status, topic=slip.free(event.topic)
    )


def _complaint(event: given.ComplaintMade, slip: Slip) -> events.Fact:
    return events.ComplaintMade(
        **slip.common, complaint_id=event.complaint_id, order_id=event.order_id, topic=slip.free(event.topic)
    )


def _survey(event: given.SurveyAnswered, slip: Slip) -> events.Fact:
    return events.SurveyAnswered(
        **slip.common,
        survey_id=event.survey_id,
        question=slip.free(event.question),
        score=event.score,
        answer=slip.free(event.answer),
    )


def _contract(event: given.ContractSet, slip: Slip) -> events.Fact:
    try:
        day = as_day(event.ends_on)
    except ValueError as error:
        raise EventRefusedError("ends_on", str(error)) from None
    return events.ContractSet(**slip.common, contract_id=event.contract_id, ends_on=day)


def _traits(event: given.TraitsSet, slip: Slip) -> events.Fact:
    return events.TraitsSet(**slip.common, traits=kept_traits(Fields(event.traits, "traits"), slip.person))


def _tags(event: given.TagsSet, slip: Slip) -> events.Fact:
    add, remove = (tuple(slip.free(tag) for tag in tags) for tags in (event.add, event.remove))
    return events.TagsSet(**slip.common, add=add, remove=remove)


def _consent(event: given.ConsentSet, slip: Slip) -> events.Fact:
    """Such an event is told when it happens, so a grant without an instant of its own is as of the event."""
    granted_at = None
    if event.granted_at is not None and not event.granted:
        raise EventRefusedError("granted_at", "goes with `granted: true` alone")
    if event.granted:
        granted_at = slip.common["at"] if event.granted_at is None else granted_instant(event.granted_at, "granted_at")
    return events.ConsentSet(
        **slip.common,
        channel=event.channel,
        purpose=event.purpose,
        granted=event.granted,
        proof=slip.free(event.proof),
        text_version=slip.free(event.text_version),
        operator=slip.free(event.operator),
        granted_at=granted_at,
    )


def _message(event: given.MessageReported, slip: Slip) -> events.Fact:
    return events.MessageReported(
        **slip.common, command_id=event.command_id, rule=event.rule, channel=event.channel, status=event.status
    )


def _tracked(event: given.Tracked, slip: Slip) -> events.Fact:
    return events.Tracked(**slip.common, name=event.name, properties=cut(event.properties, slip.person.known))


_TAKERS: Final[dict[type[Any], Callable[[Any, Slip], events.Fact]]] = {
    given.OrderPlaced: _order,
    given.OrderRefunded: _refund,
    given.OrderCancelled: _cancelled,
    given.ProductViewed: _product,
    given.PageViewed: _page,
    given.OrderShipped: _shipped,
    given.OrderReceived: _received,
    given.StoreVisited: _store,
    given.OrdersViewed: _orders,
    given.DeliveryViewed: _delivery,
    given.TicketUpdated: _ticket,
    given.ComplaintMade: _complaint,
    given.SurveyAnswered: _survey,
    given.ContractSet: _contract,
    given.TraitsSet: _traits,
    given.TagsSet: _tags,
    given.ConsentSet: _consent,
    given.MessageReported: _message,
    given.Tracked: _tracked,
}


def _amount(path: str, value: object, desk: Desk) -> int:
    try:
        units = minor_units(value, desk.shop.exponent)
    except ValueError as error:
        raise EventRefusedError(path, str(error)) from None
    if units < 0:
        raise EventRefusedError(path, "must not be below zero")
    return units


def _currency(code: str, desk: Desk) -> str:
    if code and code != desk.shop.currency:
        raise EventRefusedError("currency", f"must be the shop's, {desk.shop.currency}")
    return desk.shop.currency
