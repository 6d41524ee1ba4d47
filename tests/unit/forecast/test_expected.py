"""The forecast: what falls due after an import, by the chain's own cores, and nothing of what lies before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from services.rehearsal.forecast import expected
from services.rehearsal.forecast.expected import Forecast, customers_of, expect
from shared.contract.broadcasts import PolicyPublished
from shared.contract.codec import encode
from shared.contract.facts import ConsentSet, CustomerFact
from shared.contract.identity import Linked
from shared.contract.partitioner import partition_of
from shared.contract.prepared_records import PreparedRecord
from shared.contract.topics import CONTACT_POINTS, CUSTOMER_EVENTS
from shared.shop import DAY, Shop
from tests.unit.oracle.story import order, sms

BASELINE = 1_764_158_400_000
"""2025-11-26T12:00Z."""
IMPORTED: dict[str, Any] = {"mode": "import", "baseline": BASELINE, "confirmed": True}


def group(customer: str, *facts: CustomerFact) -> list[PreparedRecord]:
    key = customer.encode()
    records = [
        (CUSTOMER_EVENTS.name, partition_of(key), key, encode(fact), list[tuple[str, bytes]]()) for fact in facts
    ]
    return [*records, (CONTACT_POINTS.name, partition_of(key), key + b"/phone", b"sealed", [])]


def bought(customer: str, days_before: float, *more: CustomerFact) -> list[PreparedRecord]:
    return group(customer, order(f"o-{customer}", BASELINE - int(days_before * DAY), **IMPORTED), *more)


def consent(customer: str) -> ConsentSet:
    named: dict[str, Any] = {"channel": "sms", "purpose": "marketing", "granted": True, "contacts": ("phone",)}
    return ConsentSet(id=f"c-{customer}", at=BASELINE - 99 * DAY, **named, **IMPORTED)


def forecast(groups: Sequence[list[PreparedRecord]], *rules: dict[str, Any], customers: int | None = None) -> Forecast:
    policy = PolicyPublished(7, {"version": 7, "rules": list(rules)}) if rules else None
    count = len({record[2] for each in groups for record in each if record[0] == CUSTOMER_EVENTS.name})
    return expect(groups, baseline=BASELINE, shop=Shop(), policy=policy, customers=customers or count)


def test_stages_that_will_be_reached_are_counted_by_when() -> None:
    groups = [bought(f"c{number}", days) for number, days in enumerate((29.5, 25, 5, 29, 89, 31, 200))]
    found = forecast(groups)
    assert found.moves["lifecycle silent"] == {"1": 1, "7": 3, "30": 4}
    assert found.moves["lifecycle churned"] == {"1": 0, "7": 1, "30": 1}
    assert (found.policy, found.rules, found.busiest) == (None, {}, {})


def test_a_customer_with_several_ids_counts_once() -> None:
    phone = b"e" + b"0" * 32
    link = (CUSTOMER_EVENTS.name, partition_of(phone), phone, encode(Linked("c1")), list[tuple[str, bytes]]())
    groups = [[link, *bought("c1", 29)], bought("c2", 25)]
    assert customers_of(groups) == 2
    found = forecast(groups, customers=customers_of(groups))
    assert (found.customers, found.looked_at, found.moves["lifecycle silent"]["30"]) == (2, 2, 2)


def test_rules_tell_whom_they_would_reach_and_what_stops_the_others() -> None:
    remind = sms("remind", {"on": "since_last_order", "days": 30})
    groups = [
        bought("yes", 28, consent("yes")), bought("no", 28), bought("past", 31, consent("past")), bought("far", 1),
    ]  # fmt: skip
    found = forecast(groups, remind)
    assert found.rules == {"remind": {"consent": 2, "send": 1}}
    assert found.busiest == {"day": "2025-11-28", "messages": 1}
    assert found.policy == 7


def test_who_is_named_by_two_ids_is_whole_once_they_are_linked() -> None:
    remind = sms("remind", {"on": "since_last_order", "days": 30})
    alias, customer = "c" + "0" * 32, "g" + "1" * 32
    link: PreparedRecord = (
        CUSTOMER_EVENTS.name,
        partition_of(alias.encode()),
        alias.encode(),
        encode(Linked(customer)),
        [],
    )
    facts = order("o", BASELINE - 28 * DAY, aliases=(alias,), **IMPORTED), consent(customer)
    rows: list[list[PreparedRecord]] = [[link, *group(customer, *facts)], [link, *bought(customer, 29)]]
    assert forecast(rows, remind, customers=1).rules == {"remind": {"send": 1}}


def test_of_very_many_customers_a_part_is_looked_at_and_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "MOST", 100)
    found = forecast([bought(f"c{number}", 29.5) for number in range(400)])
    assert 60 < found.looked_at < 140
    assert found.moves["lifecycle silent"]["1"] == 400
