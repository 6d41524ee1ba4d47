"""Segment's messages become facts; what cannot be read is refused by field, and no contact data stays in clear."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.ingest import segment
from services.ingest.fields import EventRefusedError
from services.ingest.identifiers import Identifier, Kind, Pepper, identify
from services.ingest.people import Desk, Taken
from shared.contract.codec import encode
from shared.contract.facts import (
    ComplaintMade,
    ConsentSet,
    ContractSet,
    DeliveryViewed,
    Line,
    MessageReported,
    OrderCancelled,
    OrderPlaced,
    OrderReceived,
    OrderRefunded,
    OrderShipped,
    OrdersViewed,
    PageViewed,
    ProductViewed,
    StoreVisited,
    SurveyAnswered,
    TicketUpdated,
    Tracked,
    TraitsSet,
)
from shared.shop import Shop

PEPPER = Pepper(bytes(range(32)))
DESK = Desk(Shop(), PEPPER)
AT = "2025-06-30T09:21:33.123+08:00"
AT_MS = 1_751_246_493_123
MEMBER = identify([Identifier(Kind.MEMBER, "m1")], PEPPER).customer_id


def message(**changes: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "m1", "messageId": "e1", "timestamp": AT} | changes


def track(event: str, **properties: Any) -> dict[str, Any]:
    return message(event=event, properties=properties)


def taken(given: object) -> Taken:
    return segment.take(given, DESK, source="shop", received_at=1_760_000_000_000)


COMMON: dict[str, Any] = {"id": "e1", "at": AT_MS, "source": "shop"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            track(
                "Order Completed",
                order_id="o1",
                total=Decimal("239.50"),
                currency="CNY",
                products=[{"product_id": "p1", "price": Decimal("119.75"), "quantity": 2}],
            ),
            OrderPlaced(**COMMON, order_id="o1", amount=23950, currency="CNY", lines=(Line("p1", 2, 23950),)),
        ),
        (
            track("Order Updated", order_id="o1", total=5, version=2),
            OrderPlaced(**COMMON, order_id="o1", amount=500, currency="CNY", version=2),
        ),
        (
            track("Order Updated", order_id="o1", total="5.00"),
            OrderPlaced(**COMMON, order_id="o1", amount=500, currency="CNY", version=AT_MS),
        ),
        (
            track("Order Refunded", order_id="o1", total=1),
            OrderRefunded(**COMMON, refund_id="e1", order_id="o1", amount=100, currency="CNY"),
        ),
        (track("Order Cancelled", order_id=17), OrderCancelled(**COMMON, order_id="17")),
        (track("Product Viewed", product_id="p1"), ProductViewed(**COMMON, product="p1")),
        (track("Product Visible", sku="p1", session_id="s"), ProductViewed(**COMMON, product="p1", session="s")),
        (
            message(type="page", name="Home", properties={"path": "/"}),
            PageViewed(**COMMON, name="Home", path="/"),
        ),
        (
            track("order shipped", order_id=17, tracking_number="SF1", carrier="sf"),
            OrderShipped(**COMMON, order_id="17", shipment_id="SF1", carrier="sf"),
        ),
        (track("Order Delivered", order_id="o1"), OrderReceived(**COMMON, order_id="o1")),
        (
            track("Store Visited", shop_id="s1", guide_id="g1"),
            StoreVisited(**COMMON, shop_id="s1", guide_id="g1"),
        ),
        (track("Orders Viewed"), OrdersViewed(**COMMON)),
        (track("Delivery Options Viewed", sku="p"), DeliveryViewed(**COMMON, product="p")),
        (track("Ticket Closed", ticket_id="t"), TicketUpdated(**COMMON, ticket_id="t", status="closed")),
        (track("Complaint Made", topic="late"), ComplaintMade(**COMMON, complaint_id="e1", topic="late")),
        (
            track("Survey Answered", survey_id="s", answer="call 13912345678"),
            SurveyAnswered(**COMMON, survey_id="s", answer="call ***"),
        ),
        (track("Survey Answered", survey_id="s", score=0), SurveyAnswered(**COMMON, survey_id="s", score=0)),
        (
            track("Contract Set", contract_id="c", ends_on="2026-12-31"),
            ContractSet(**COMMON, contract_id="c", ends_on="2026-12-31"),
        ),
        (
            track("Message Clicked", command_id="c", rule="r", channel="sms"),
            MessageReported(**COMMON, command_id="c", rule="r", channel="sms", status="clicked"),
        ),
        (
            track("Message Opened", campaign="c"),  # not one of our messages
            Tracked(**COMMON, name="Message Opened", properties={"campaign": "c"}),
        ),
        (
            track("Message Unsubscribed", proof="reply"),
            ConsentSet(**COMMON, channel="all", purpose="marketing", granted=False, proof="reply"),
        ),
        (
            track("Order Completed", order_id="o1", total=1, coupon="", channel=""),
            OrderPlaced(**COMMON, order_id="o1", amount=100, currency="CNY"),
        ),
        (track("Coupon Entered", coupon="X"), Tracked(**COMMON, name="Coupon Entered", properties={"coupon": "X"})),
        (message(type="group", groupId="vip"), Tracked(**COMMON, name="group", extra={"groupId": "vip"})),
        (
            message(type="identify", traits={"birthday": "1990-05-17T00:00:00Z", "guide": "g7", "level": 3}),
            TraitsSet(**COMMON, traits={"guide": "g7", "level": 3, "birthday": "1990-05-17"}),
        ),
    ],
)
def test_a_message_becomes_the_fact_it_means(given: dict[str, Any], expected: object) -> None:
    result = taken(given)
    assert (result.person.customer, result.facts) == (MEMBER, (expected,))


def test_consents_become_facts_with_ids_of_their_own() -> None:
    given = message(type="identify", traits={"consents": {"sms": True, "email": {"service": False}}})
    assert taken(given).facts[1:] == (
        ConsentSet(**COMMON | {"id": "e1#sms/marketing"}, channel="sms", purpose="marketing", granted=True),
        ConsentSet(**COMMON | {"id": "e1#email/service"}, channel="email", purpose="service", granted=False),
    )


def test_a_member_level_becomes_a_trait_and_stays_where_it_was() -> None:
    order, level = taken(track("Order Cancelled", order_id="o1", member_level="gold")).facts
    assert order.extra == {"properties": {"member_level": "gold"}}
    assert level == TraitsSet(**COMMON | {"id": "e1#level"}, traits={"level": "gold"})
    assert len(taken(track("X", member_level=3)).facts) == 1


def test_what_nobody_knows_is_kept_as_it_came() -> None:
    given = track("Order Cancelled", order_id="o1", tax=Decimal("1.50")) | {"campaign": {"name": "June"}}
    assert taken(given).facts[0].extra == {"campaign": {"name": "June"}, "properties": {"tax": Decimal("1.50")}}


@pytest.mark.parametrize(
    ("given", "path", "reason"),
    [
        (track("Order Completed", order_id="o1", total=Decimal("1.005")), "properties.total", "at most 2 decimals"),
        (track("Order Completed", order_id="o1", total=-1), "properties.total", "below zero"),
        (track("Order Completed", order_id="o1", total=True), "properties.total", "must be a number"),
        (track("Order Completed", order_id="o1", total="nan"), "properties.total", "must be a number"),
        (track("Order Completed", order_id="o1"), "properties.total", "is missing"),
        (track("Order Completed", order_id="o1", total=1, currency="USD"), "properties.currency", "the shop's, CNY"),
        (
            track("Order Completed", order_id="o1", total=1, products=[{}]),
            "properties.products[0].product_id",
            "missing",
        ),
        (track("Order Completed", order_id="o1", total=1, products=3), "properties.products", "must be a list"),
        (track("Order Shipped"), "properties.order_id", "is missing"),
        (track("Order Shipped", order_id=""), "properties.order_id", "1 to 256"),
        (track("Survey Answered", survey_id="s", score=1.5), "properties.score", "whole number"),
        (track("Contract Set", contract_id="c", ends_on="soon"), "properties.ends_on", "must be a date"),
        (track("Message Opened", command_id="c", rule="r", channel="fax"), "properties.channel", "one of"),
        (track("Message Unsubscribed", channel="fax"), "properties.channel", "one of"),
        (track("Message Unsubscribed", purpose="fun"), "properties.purpose", "one of"),
        (message(event="X", timestamp="2025-06-30T09:21:33"), "timestamp", "offset from UTC"),
        (message(event="X", timestamp="1999-06-30T09:21:33Z"), "timestamp", "years 2000 to 2100"),
        (message(event="X", timestamp=1751246493), "timestamp", "RFC 3339"),
        (message(type="nonsense"), "type", "must be one of"),
        (message(type="track"), "event", "is missing"),
        ({"type": "track", "event": "X", "timestamp": AT}, "", "identifies no customer"),
        (message(userId="null", event="X"), "", "is a placeholder"),
        (message(userId={"a": 1}, event="X"), "userId", "must be a text"),
        (message(type="identify", traits={"birthday": "1990-02-30"}), "traits.birthday", "must be a date"),
        (message(type="identify", traits={"consents": {"fax": True}}), "traits.consents.*", "must be one of"),
        (message(properties=[], event="X"), "properties", "must be an object"),
        ("text", "", "must be an object"),
    ],
)
def test_a_refusal_names_field_and_reason(given: object, path: str, reason: str) -> None:
    with pytest.raises(EventRefusedError) as refused:
        taken(given)
    assert refused.value.path == path
    assert reason in refused.value.reason


def test_without_a_message_id_the_content_gives_one() -> None:
    given = track("X", n=1)
    del given["messageId"]
    first, again, other = taken(given), taken(given), taken(given | {"event": "Y"})
    assert first.facts[0].id == again.facts[0].id != other.facts[0].id


CANARIES = ["13912345678", "canary@example.com", "王小明明", "wx-canary-openid", "wm-canary-ext"]


def test_contact_data_is_cut_out_everywhere_and_named() -> None:
    phone, email, name, openid, external = CANARIES
    traits = {
        "phone": phone,
        "email": email,
        "name": name,
        "openid": openid,
        "external_userid": external,
        "city": "上海",
    }
    given = message(
        type="identify",
        traits=traits | {"note": f"call {name}"},
        context={"traits": traits, "page": {"url": f"https://shop.example/?mail={email}&x=1"}, "ip": "10.9.8.7"},
        properties={"receiver_phone": "+86 139-1234-5678", "list": [phone, {"who": name}, 13912345678], phone: 1},
        legacy={"mobile": int(phone), "text": f"tel:{phone}"},
    )
    result = taken(given)
    written = encode(result.facts[0]).decode()
    assert [canary for canary in [*CANARIES, "1234-5678", "10.9.8.7"] if canary in written] == []
    assert result.facts[0].contacts == ("phone", "email", "openid", "external_userid", "name")
    assert [contact.value for contact in result.person.contacts] == [
        "+8613912345678",
        email,
        openid,
        external,
        name,
    ]
    assert isinstance(result.facts[0], TraitsSet)
    assert result.facts[0].traits == {"city": "上海"}


@pytest.mark.parametrize("name", ["call 13812345678", "call １３８１２３４５６７８", "mail jin@mailbox.example"])
def test_the_name_of_an_event_and_a_coupon_do_not_carry_contact_data(name: str) -> None:
    (fact,) = taken(track(name)).facts
    assert isinstance(fact, Tracked)
    assert "***" in fact.name
    (order,) = taken(track("Order Completed", order_id="o1", total=1, coupon=name)).facts
    assert isinstance(order, OrderPlaced)
    assert "***" in order.coupon


def test_a_flag_named_like_a_contact_and_a_products_name_are_no_contact_data() -> None:
    fact = taken(track("Product Added", name="Monopoly", email=True)).facts[0]
    assert isinstance(fact, Tracked)
    assert fact.properties == {"name": "Monopoly", "email": True}


def test_of_two_spellings_of_one_contact_field_the_first_is_kept() -> None:
    given = message(type="identify", traits={"phone": "13912345678", "mobile": "13900000001"})
    assert [contact.value for contact in taken(given).person.contacts] == ["+8613912345678"]


def test_somebody_elses_phone_does_not_identify() -> None:
    given = message(type="identify", userId=None, anonymousId="a1", traits={"receiver_phone": "13912345678"})
    result = taken(given)
    assert result.person.customer.startswith("a")
    assert result.person.contacts == ()
