"""One fact of every kind that is kept and decides nothing yet, for tests of those who take them."""

from __future__ import annotations

from typing import Any

from shared.contract.facts import (
    ComplaintMade,
    ContractSet,
    CustomerFact,
    DeliveryViewed,
    OrderReceived,
    OrderShipped,
    OrdersViewed,
    PageViewed,
    StoreVisited,
    SurveyAnswered,
    TicketUpdated,
    Tracked,
)


def kept_facts(event_id: str, when: int, **more: Any) -> list[CustomerFact]:
    """All of them, with the same id and instant (ms)."""
    common: dict[str, Any] = {"id": event_id, "at": when} | more
    return [
        PageViewed(**common, name="home"),
        Tracked(**common, name="n"),
        OrderShipped(**common, order_id="o", shipment_id="s", carrier="c"),
        OrderReceived(**common, order_id="o", shipment_id="s"),
        StoreVisited(**common, shop_id="s", guide_id="g"),
        OrdersViewed(**common, order_id="o"),
        DeliveryViewed(**common, product="p"),
        TicketUpdated(**common, ticket_id="t", status="opened", topic="x"),
        ComplaintMade(**common, complaint_id="c", order_id="o", topic="x"),
        SurveyAnswered(**common, survey_id="s", question="q", score=9, answer="a"),
        ContractSet(**common, contract_id="c", ends_on="2026-12-31"),
    ]


def tag_of(fact: CustomerFact) -> str:
    """What the fact says in `type`."""
    return str(fact.__struct_config__.tag)
