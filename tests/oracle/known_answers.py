"""The published figures of the Online Retail file, straight from its rows; knows the file and the shop, no log."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from shared.contract.broadcasts import Cuts
from shared.contract.bundles import Profile
from shared.instants import parse_zone
from shared.shop import Shop
from tests.oracle.lifecycle import stage
from tests.oracle.moments import instant_of
from tests.oracle.purchases import Account, Order
from tests.oracle.rfm import Measure, cuts_of, measure_of, score_of

SHOP = Shop(zone="Europe/London", currency="GBP", exponent=3, window_days=400)
AS_OF = datetime(2011, 12, 10)  # noqa: DTZ001  # local time of the shop


class KnownCustomer(msgspec.Struct, frozen=True):
    """One customer at `AS_OF`; total in minor units."""

    orders: int
    total: int
    rfm: str
    lifecycle: str


class KnownAnswers(msgspec.Struct, frozen=True):
    """Figures at `AS_OF`; revenue in units of the currency, cuts in days since 1970, orders and minor units."""

    customers: int
    orders: int
    refunds: int
    revenue: Decimal
    cuts: Cuts
    classes: dict[str, int]
    stages: dict[str, int]
    people: dict[str, KnownCustomer] = {}
    """By CustomerID."""


class Invoice(msgspec.Struct, frozen=True):
    """The lines of one customer under one number; `at` ms, `amount` in minor units, negative for returns."""

    number: str
    customer: str
    at: int
    amount: int


def known_answers(invoices: Sequence[Invoice], *, returns: bool) -> KnownAnswers:
    """The figures of the usual cleaning; `returns`: each return invoice of a customer is a refund without order."""
    accounts = {who: account for who, account in _accounts(invoices, returns=returns).items() if account.orders}
    now = instant_of(AS_OF, parse_zone(SHOP.zone))
    profiles = {who: _profile(account, now) for who, account in accounts.items()}
    population: list[Measure] = [found for found in (measure_of(one, SHOP) for one in profiles.values()) if found]
    cuts = cuts_of(population)
    assert cuts is not None, "the file has customers"
    people = {who: _standing(one, cuts, now) for who, one in profiles.items()}
    return KnownAnswers(
        customers=len(profiles),
        orders=sum(one.orders for one in profiles.values()),
        refunds=sum(len(account.loose) for account in accounts.values()),
        revenue=Decimal(sum(one.total for one in profiles.values())).scaleb(-SHOP.exponent),
        cuts=cuts,
        classes=dict(Counter(one.rfm for one in people.values())),
        stages=dict(Counter(one.lifecycle for one in people.values())),
        people=people,
    )


def _standing(one: Profile, cuts: Cuts, now: int) -> KnownCustomer:
    lifecycle = stage(now, one.first_order_at, one.last_order_at, SHOP.bounds)
    scores = score_of(measure_of(one, SHOP), cuts, ordered=True, high=SHOP.high)
    return KnownCustomer(one.orders, one.total, scores.rfm, lifecycle)


def read_invoices(file: Path) -> list[Invoice]:
    """All invoices and returns of known customers in online_retail.csv.gz."""
    lines: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            if _counts(row):
                amount = int((Decimal(row["Quantity"]) * Decimal(row["UnitPrice"])).scaleb(SHOP.exponent))
                lines[row["InvoiceNo"], row["CustomerID"]].append((row["InvoiceDate"], amount))
    zone = parse_zone(SHOP.zone)
    invoices = []
    for (number, customer), parts in lines.items():
        at = instant_of(datetime.fromisoformat(min(written for written, _ in parts)), zone)
        invoices.append(Invoice(number, customer, at, sum(amount for _, amount in parts)))
    return invoices


def _counts(row: Mapping[str, str]) -> bool:
    if not row["CustomerID"] or Decimal(row["UnitPrice"]) <= 0:
        return False
    return row["InvoiceNo"].startswith("C") or int(row["Quantity"]) > 0


def _accounts(invoices: Sequence[Invoice], *, returns: bool) -> dict[str, Account]:
    orders: dict[str, list[Order]] = defaultdict(list)
    loose: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for invoice in invoices:
        if not invoice.number.startswith("C"):
            orders[invoice.customer].append(Order(invoice.at, invoice.number, invoice.amount))
        elif returns:
            loose[invoice.customer].append((invoice.at, invoice.amount))
    return {
        who: Account(tuple(sorted(orders[who], key=lambda order: (order.at, order.id))), tuple(loose[who]))
        for who in {*orders, *loose}
    }


def _profile(account: Account, now: int) -> Profile:
    window_orders, window_amount = account.window(now, SHOP)
    return Profile(
        orders=len(account.orders),
        total=account.total,
        first_order_at=account.orders[0].at,
        last_order_at=account.orders[-1].at,
        window_orders=window_orders,
        window_amount=window_amount,
    )
