"""From invoice lines to order facts, a pure function. Knows lines, local time, minor units; not files or Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from services.ingest.decimals import parse_decimal
from services.ingest.identifiers import Identifier, IdentifierRefusedError, Kind, Pepper, identify
from services.ingest.money import minor_units
from shared.events import Line, Mode, OrderPlaced, OrderRefunded
from shared.ids import derived_id
from shared.shop import Shop

RETURN_PREFIX: Final = "C"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Row(NamedTuple):
    """One line of an invoice, as written."""

    invoice: str
    product: str
    quantity: str
    at: str
    """Local date and time, e.g. 2010-12-01 08:26:00."""
    price: str
    customer: str


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How rows become facts."""

    shop: Shop
    zone: ZoneInfo
    pepper: Pepper
    source: str = "import"
    mode: Mode = "import"
    baseline: int | None = None
    confirmed: bool = False
    since: int | None = None
    """Orders before this instant are left out; by the order's instant, so that no order is torn."""
    until: int | None = None
    """Orders at or after this instant are left out."""
    returns: bool = False


class HistoryFact(NamedTuple):
    """A fact and its key."""

    customer: str
    fact: OrderPlaced | OrderRefunded


class History(NamedTuple):
    """What rows became."""

    facts: list[HistoryFact]
    """In the order of their instants."""
    rows: int
    lines: int
    """Rows that are part of an order."""
    return_lines: int
    customers: int
    orders: int
    refunds: int
    revenue: int
    """Minor units of all orders."""
    skipped: Mapping[str, int]
    """Rows by the reason for which they are in no fact."""


class HistoryRefusedError(Exception):
    """The file cannot be imported as it is; the message names the row or invoice and the field."""


class _Invoice:
    """An invoice while its rows come in."""

    __slots__ = ("at", "customer", "lines", "total")

    def __init__(self, customer: str, at: int) -> None:
        self.customer, self.at = customer, at
        self.total = Decimal(0)
        self.lines: list[tuple[str, int, Decimal]] = []


def group_orders(rows: Iterable[Row], terms: Terms) -> History:
    """One order.placed per invoice, at its earliest line, over the exact sum of quantity × price.

    Rows without a customer, of returns, or without a positive quantity and price are counted as skipped. With
    `terms.returns` an invoice that starts with C becomes one order.refunded without order id.
    """
    invoices: dict[str, _Invoice] = {}
    skipped: Counter[str] = Counter()
    count = 0
    local = _local_reader(terms.zone)
    for count, row in enumerate(rows, start=1):
        reason = _gather(row, invoices, local, returns=terms.returns, number=count)
        if reason:
            skipped[reason] += 1
    return _history(invoices, terms, count, skipped)


def local_instant(text: str, zone: ZoneInfo) -> int:
    """Milliseconds UTC of a local date, with or without time; ValueError for anything else.

    A time that the clock showed twice is the first one.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError("must be a local time without an offset")
    return (moment.replace(tzinfo=zone) - _EPOCH) // _MILLISECOND


def _local_reader(zone: ZoneInfo) -> Callable[[str], int]:
    return lru_cache(maxsize=4096)(lambda text: local_instant(text, zone))


def _gather(row: Row, invoices: dict[str, _Invoice], local: Callable[[str], int], *, returns: bool, number: int) -> str:
    """Add the row to its invoice; the reason if it is in none."""
    if not row.customer:
        return "no customer"
    back = row.invoice.startswith(RETURN_PREFIX)
    if back and not returns:
        return "return"
    try:
        quantity, price, at = int(row.quantity), parse_decimal(row.price), local(row.at)
    except ValueError as error:
        raise HistoryRefusedError(f"row {number}: quantity, price or date: {error}") from None
    if back:
        quantity = -quantity
    if quantity <= 0:
        return "quantity not positive"
    if price <= 0:
        return "price not positive"
    invoice = invoices.get(row.invoice)
    if invoice is None:
        invoice = invoices[row.invoice] = _Invoice(row.customer, at)
    elif invoice.customer != row.customer:
        raise HistoryRefusedError(f"row {number}: the customer differs from that of the invoice's earlier rows")
    invoice.at = min(invoice.at, at)
    amount = quantity * price
    invoice.total += amount
    invoice.lines.append((row.product, quantity, amount))
    return ""


def _history(invoices: dict[str, _Invoice], terms: Terms, rows: int, skipped: Counter[str]) -> History:
    token = lru_cache(maxsize=None)(lambda customer: _customer(customer, terms.pepper))
    facts: list[HistoryFact] = []
    buyers: set[str] = set()
    lines = return_lines = 0
    for number, invoice in invoices.items():
        if _outside(invoice.at, terms):
            skipped["outside the period"] += len(invoice.lines)
            continue
        customer = token(invoice.customer)
        if customer is None:
            skipped["customer is a placeholder"] += len(invoice.lines)
            continue
        if number.startswith(RETURN_PREFIX):
            facts.append(HistoryFact(customer, _refund(number, invoice, terms)))
            return_lines += len(invoice.lines)
        else:
            facts.append(HistoryFact(customer, _order(number, invoice, terms)))
            lines += len(invoice.lines)
            buyers.add(customer)
    facts.sort(key=lambda each: (each.fact.at, each.fact.id))
    orders = [each.fact for each in facts if isinstance(each.fact, OrderPlaced)]
    return History(
        facts=facts,
        rows=rows,
        lines=lines,
        return_lines=return_lines,
        customers=len(buyers),
        orders=len(orders),
        refunds=len(facts) - len(orders),
        revenue=sum(order.amount for order in orders),
        skipped=dict(skipped),
    )


def _order(number: str, invoice: _Invoice, terms: Terms) -> OrderPlaced:
    return OrderPlaced(
        id=derived_id("import", terms.source, number),
        at=invoice.at,
        source=terms.source,
        mode=terms.mode,
        baseline=terms.baseline,
        confirmed=terms.confirmed,
        order_id=number,
        amount=_units(invoice.total, number, terms),
        currency=terms.shop.currency,
        lines=tuple(
            Line(product=product, quantity=quantity, amount=_units(amount, number, terms))
            for product, quantity, amount in invoice.lines
        ),
    )


def _refund(number: str, invoice: _Invoice, terms: Terms) -> OrderRefunded:
    return OrderRefunded(
        id=derived_id("import", terms.source, number),
        at=invoice.at,
        source=terms.source,
        mode=terms.mode,
        baseline=terms.baseline,
        confirmed=terms.confirmed,
        refund_id=number,
        amount=_units(invoice.total, number, terms),
        currency=terms.shop.currency,
    )


def _units(amount: Decimal, number: str, terms: Terms) -> int:
    try:
        return minor_units(amount, terms.shop.exponent)
    except ValueError as error:
        raise HistoryRefusedError(
            f"invoice {number}: amount {error} (the shop's exponent is {terms.shop.exponent})"
        ) from None


def _customer(member: str, pepper: Pepper) -> str | None:
    try:
        return identify([Identifier(Kind.MEMBER, member)], pepper).customer_id
    except IdentifierRefusedError:
        return None


def _outside(at: int, terms: Terms) -> bool:
    return (terms.since is not None and at < terms.since) or (terms.until is not None and at >= terms.until)
