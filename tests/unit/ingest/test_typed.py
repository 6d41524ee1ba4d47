"""The typed API's events become facts; anything unknown or unclear is refused by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.ingest import people, typed
from services.ingest.fields import EventRefusedError
from services.ingest.identifiers import Contact, Pepper
from services.ingest.people import Desk
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

DESK = Desk(Shop(), Pepper(bytes(range(32))))
AT_MS = 1_751_246_493_123
COMMON: dict[str, Any] = {"id": "e1", "at": AT_MS, "source": "shop"}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "id": "e1", "at": "2025-06-30T09:21:33.123+08:00", "customer": {"member": "m1"}} | fields


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            event("order.placed", order_id="o1", amount="1.50", lines=[{"product": "p", "amount": Decimal("1.5")}]),
            OrderPlaced(**COMMON, order_id="o1", amount=150, currency="CNY", lines=(Line("p", 1, 150),)),
        ),
        (
            event("order.refunded", refund_id="r1", amount=1, currency="CNY"),
            OrderRefunded(**COMMON, refund_id="r1", amount=100, currency="CNY"),
        ),
        (event("order.cancelled", order_id="o1"), OrderCancelled(**COMMON, order_id="o1")),
        (event("order.cancelled", order_id="o1", version=3), OrderCancelled(**COMMON, order_id="o1", version=3)),
        (
            event("order.refunded", refund_id="r1", amount=0, version=2),
            OrderRefunded(**COMMON, refund_id="r1", amount=0, currency="CNY", version=2),
        ),
        (
            event("consent.set", channel="sms", purpose="marketing", granted=True),
            ConsentSet(**COMMON, channel="sms", purpose="marketing", granted=True, granted_at=AT_MS),
        ),
        (
            event(
                "consent.set", channel="sms", purpose="marketing", granted=True, granted_at="2025-06-30T09:21:33+08:00"
            ),
            ConsentSet(**COMMON, channel="sms", purpose="marketing", granted=True, granted_at=AT_MS - 123),
        ),
        (event("product.viewed", product="p"), ProductViewed(**COMMON, product="p")),
        (event("page.viewed", name="Home", path="/"), PageViewed(**COMMON, name="Home", path="/")),
        (event("traits.set", traits={"birthday": "--02-29"}), TraitsSet(**COMMON, traits={"birthday": "--02-29"})),
        (
            event("consent.set", channel="all", purpose="marketing", granted=False),
            ConsentSet(**COMMON, channel="all", purpose="marketing", granted=False),
        ),
        (
            event("message.reported", command_id="c1", rule="birthday", channel="sms", status="opened"),
            MessageReported(**COMMON, command_id="c1", rule="birthday", channel="sms", status="opened"),
        ),
        (event("tracked", name="x", properties={"n": 1}), Tracked(**COMMON, name="x", properties={"n": 1})),
        (
            event("order.shipped", order_id="o1", shipment_id="s1", carrier="sf"),
            OrderShipped(**COMMON, order_id="o1", shipment_id="s1", carrier="sf"),
        ),
        (event("order.received", order_id="o1"), OrderReceived(**COMMON, order_id="o1")),
        (
            event("store.visited", shop_id="s1", guide_id="g1", channel="pos"),
            StoreVisited(**COMMON, shop_id="s1", guide_id="g1", extra={"properties": {"channel": "pos"}}),
        ),
        (event("orders.viewed"), OrdersViewed(**COMMON)),
        (event("delivery.viewed", product="p"), DeliveryViewed(**COMMON, product="p")),
        (
            event("ticket.updated", ticket_id="t1", status="closed", topic="late"),
            TicketUpdated(**COMMON, ticket_id="t1", status="closed", topic="late"),
        ),
        (event("complaint.made", complaint_id="c1", topic="x"), ComplaintMade(**COMMON, complaint_id="c1", topic="x")),
        (
            event("survey.answered", survey_id="s1", score=0, answer="ring 13912345678, please"),
            SurveyAnswered(**COMMON, survey_id="s1", score=0, answer="ring ***, please"),
        ),
        (
            event("contract.set", contract_id="c1", ends_on="2028-02-29"),
            ContractSet(**COMMON, contract_id="c1", ends_on="2028-02-29"),
        ),
    ],
)
def test_an_event_becomes_its_fact(given: dict[str, Any], expected: object) -> None:
    assert typed.take(given, DESK, source="shop").facts == (expected,)


@pytest.mark.parametrize(
    ("given", "path", "reason"),
    [
        (event("order.placed", order_id="o1", amount="1.005"), "amount", "at most 2 decimals"),
        (event("order.placed", order_id="o1", amount="nan"), "amount", "must be a number"),
        (event("order.placed", order_id="o1", amount=-1), "amount", "below zero"),
        (event("order.placed", order_id="o1", amount=10**16), "amount", "larger than any"),
        (event("order.placed", order_id="o1"), "", "missing required field `amount`"),
        (event("order.placed", order_id="o1", amount=1, currency="USD"), "currency", "the shop's, CNY"),
        (
            event("order.placed", order_id="o1", amount=1, lines=[{"product": "p", "amount": "x"}]),
            "lines[0].amount",
            "must be a number",
        ),
        (event("order.cancelled", order_id=5), "order_id", "expected `str`"),
        (event("order.cancelled", order_id="o", more=1), "", "unknown field `more`"),
        (event("order.cancelled", order_id="o", customer={"name": "x"}), "customer", "unknown field `name`"),
        (event("order.cancelled", order_id="o", customer={}), "", "identifies no customer: no identifier"),
        (event("order.cancelled", order_id="o", customer={"phone": "138****8000"}), "", "phone: is masked"),
        (event("order.cancelled", order_id="o", at="2025-06-30T09:21:33"), "at", "offset from UTC"),
        (event("order.cancelled", order_id="o", at="2101-06-30T09:21:33Z"), "at", "years 2000 to 2100"),
        (event("order.cancelled", order_id="o", id="a b"), "id", "matching regex"),
        (
            event("message.reported", command_id="c1", rule="birthday", channel="sms", status="failed"),
            "status",
            "invalid enum value",
        ),
        (event("contract.set", contract_id="c1", ends_on="2026-02-29"), "ends_on", "must be a date"),
        (event("contract.set", contract_id="c1", ends_on="2026-W01-1"), "ends_on", "regex"),
        (event("survey.answered", survey_id="s1", score=101), "score", "`int` <= 100"),
        (event("ticket.updated", ticket_id="t1", status="lost"), "status", "invalid enum value"),
        (event("store.visited"), "", "missing required field `shop_id`"),
        (event("consent.set", channel="sms", purpose="marketing", granted=True, shop_id="s"), "", "unknown field"),
        (
            event("consent.set", channel="sms", purpose="service", granted=True, granted_at="soon"),
            "granted_at",
            "RFC 3339",
        ),
        (event("order.cancelled", order_id="o1", version=0), "version", ""),
        (
            event("consent.set", channel="sms", purpose="service", granted=False, granted_at="2025-06-30T09:21:33Z"),
            "granted_at",
            "goes with",
        ),
        (event("nonsense"), "type", "invalid value"),
        ([], "", "expected `object`"),
    ],
)
def test_a_refusal_names_field_and_reason(given: object, path: str, reason: str) -> None:
    with pytest.raises(EventRefusedError) as refused:
        typed.take(given, DESK, source="shop")
    assert refused.value.path == path
    assert reason in refused.value.reason


@pytest.mark.parametrize(
    "given",
    [
        event("order.placed", order_id="o1", amount=1, member_level=" gold "),
        event("store.visited", shop_id="s1", member_level="gold"),
        event("tracked", name="x", properties={"member_level": "gold"}),
    ],
    ids=lambda given: given["type"],
)
def test_a_member_level_becomes_the_trait_level_as_of_the_event(given: dict[str, Any]) -> None:
    facts = typed.take(given, DESK, source="shop").facts
    assert facts[1:] == (TraitsSet(**COMMON | {"id": "e1#level"}, traits={"level": "gold"}),)


def test_words_keep_their_rest_when_contact_data_is_masked() -> None:
    customer = {"member": "m1", "email": "Canary@Example.com", "openid": "oCanaryOpenId"}
    answer = "mail canary@example.com or +86 139-1234-5678, id ocanaryopenid. Good!"
    given = event("survey.answered", survey_id="s1", answer=answer, customer=customer)
    (fact,) = typed.take(given, DESK, source="shop").facts
    assert isinstance(fact, SurveyAnswered)
    assert fact.answer == "mail *** or ***, id ***. Good!"


def test_contact_data_is_sealed_not_carried() -> None:
    given = event(
        "tracked",
        name="Lead",
        customer={"phone": "13912345678", "email": "canary@example.com"},
        properties={"name": "李雷雷", "phone": "13912345678", "note": "write to canary@example.com", "kept": 1},
    )
    result = typed.take(given, DESK, source="shop")
    fact = result.facts[0]
    assert isinstance(fact, Tracked)
    assert fact.properties == {"kept": 1}
    assert fact.contacts == ("phone", "email")
    assert b"canary" not in encode(fact)


@pytest.mark.parametrize(
    ("given", "contacts"),
    [
        (
            event("product.viewed", product="p", customer={"member": "m1", "phone": "13812345678"}),
            (Contact("phone", "+8613812345678"),),
        ),
        (event("traits.set", traits={"name": "Zhang Xiaoming"}), (Contact("name", "Zhang Xiaoming"),)),
        (event("tracked", name="call", properties={"realName": "Zhang Xiaoming", "note": "Zhang Xiaoming rang"}), ()),
    ],
    ids=["an identifier", "a trait", "a name in a property"],
)
def test_an_event_with_contact_data_is_read_in_full_and_not_remembered(
    given: dict[str, Any], contacts: tuple[Contact, ...]
) -> None:
    typed.take(event("product.viewed", product="p"), DESK, source="shop")  # the same member without any
    remembered = people._by_ids.cache_info().currsize
    taken = typed.take(given, DESK, source="shop")
    assert taken.person.contacts == contacts
    assert b"Zhang" not in encode(taken.facts[0])
    assert people._by_ids.cache_info().currsize == remembered
