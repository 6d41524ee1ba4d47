"""The oracle's own parts reproduce the published figures of the Online Retail file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from shared.contract.broadcasts import Cuts
from shared.instants import parse_instant
from shared.shop import DAY
from tests.oracle.known_answers import Invoice, KnownAnswers, known_answers, read_invoices

pytestmark = pytest.mark.data

EXPECTED = KnownAnswers(
    customers=4338,
    orders=18532,
    refunds=0,
    revenue=Decimal("8911407.904"),
    cuts=Cuts(
        recency=tuple(
            parse_instant(f"{day}T00:00:00Z") // DAY for day in ("2011-11-27", "2011-11-07", "2011-09-29", "2011-06-13")
        ),
        frequency=(1, 2, 3, 6),
        monetary=(250_150, 490_220, 942_260, 2_059_450),
    ),
    classes={
        "important_value": 911,
        "important_develop": 154,
        "important_keep": 366,
        "important_winback": 304,
        "general_value": 117,
        "general_develop": 566,
        "general_keep": 108,
        "general_winback": 1812,
    },
    stages={"churned": 1449, "silent": 1261, "loyal": 1020, "active": 577, "new": 31},
    people={},
)


@pytest.fixture(scope="module")
def invoices(data: Path) -> list[Invoice]:
    return read_invoices(data / "online_retail.csv.gz")


def test_purchases_alone_give_the_published_figures(invoices: list[Invoice]) -> None:
    got = known_answers(invoices, returns=False)
    assert msgspec.structs.replace(got, people={}) == EXPECTED
    assert len(got.people) == EXPECTED.customers


def test_returns_lower_amounts_and_leave_recency_and_frequency(invoices: list[Invoice]) -> None:
    got = known_answers(invoices, returns=True)
    assert (got.customers, got.orders, got.stages) == (EXPECTED.customers, EXPECTED.orders, EXPECTED.stages)
    assert (got.cuts.recency, got.cuts.frequency) == (EXPECTED.cuts.recency, EXPECTED.cuts.frequency)
    assert got.revenue < EXPECTED.revenue
    assert all(mine < other for mine, other in zip(got.cuts.monetary, EXPECTED.cuts.monetary, strict=True))
    assert sum(got.classes.values()) == EXPECTED.customers
