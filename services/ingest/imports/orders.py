"""Orders from rows: the lines of an invoice gathered, or one row an order. Pure; knows cells and money, not files.

An order's lines may stand anywhere in the file: neighbours are joined at once, the rest by sorting on the order number
(prepare.py). One bad line leaves its whole order out: an order is never torn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from services.ingest.imports import values
from services.ingest.imports.cells import Layout, Row
from services.ingest.imports.refusals import RowRefusedError
from services.ingest.imports.terms import Terms
from services.ingest.money import LARGEST, minor_units
from shared.contract.facts import Line

RETURN_PREFIX: Final = "C"
CANCELLED: Final = frozenset(
    [
        "已取消",
        "交易取消",
        "交易关闭",
        "已关闭",
        "关闭",
        "取消",
        "未付款",
        "待付款",
        "等待买家付款",
        "cancelled",
        "canceled",
        "closed",
        "void",
        "voided",
        "unpaid",
        "pending",
    ]
)
MOST_LINES: Final = 1_000
_DETAILS: Final = ("channel", "shop_id", "guide_id", "coupon")


class Skip(Exception):  # noqa: N818 - no error: the file says that the row counts nowhere
    """A row that is rightly in no fact; the message is the reason that a report counts."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """What some rows say of one order; amounts in minor units."""

    order: str
    row: int
    """The first of the rows."""
    rows: int
    who: tuple[str, ...]
    """Identifying cells, as written."""
    at: int
    amount: int
    refund: int
    discount: int
    lines: list[Line]
    details: tuple[str, ...]
    torn: bool = False
    """One of its rows was refused."""
    over: bool = False
    """There are more rows than an order may have; this one counts for them."""


class Reader:
    """Rows to pieces."""

    def __init__(self, layout: Layout, terms: Terms) -> None:
        self._layout, self._terms = layout, terms
        self.by_line = "price" in layout.places and "amount" not in layout.places
        """Whether a row is a line of an invoice, its amount quantity × price; else a row tells an order's amount."""
        self._at: Callable[[str], int] = lru_cache(maxsize=4096)(lambda text: values.instant(text, terms.zone))

    def piece(self, row: Row) -> Piece:
        """What the row says; Skip, or RowRefusedError."""
        who = row.who()
        if not any(who):
            raise Skip("no customer")
        order = row.read("order", str)
        back = self.by_line and order.startswith(RETURN_PREFIX)
        if back and not self._terms.returns:
            raise Skip("return")
        if row.text("status").lower() in CANCELLED:
            raise Skip("cancelled or not paid")
        if row.text("currency") not in {"", self._terms.shop.currency}:
            raise RowRefusedError(row.column("currency"), f"must be the shop's, {self._terms.shop.currency}")
        amount, line = self._line(row, back=back) if self.by_line else self._whole(row)
        return Piece(
            order=order,
            row=row.number,
            rows=1,
            who=who,
            at=row.read("at", self._at),
            amount=amount,
            refund=self._units(row, "refund", row.read("refund", values.money, Decimal(0))),
            discount=self._units(row, "discount", row.read("discount", values.money, Decimal(0))),
            lines=[] if line is None else [line],
            details=tuple(row.text(name) for name in _DETAILS),
        )

    def torn(self, row: Row) -> Piece | None:
        """A piece that leaves its order out, if the refused row names one."""
        try:
            order = row.text("order")
        except RowRefusedError:
            return None
        return Piece(order, row.number, 1, row.who(), 0, 0, 0, 0, [], (), torn=True) if order else None

    def _line(self, row: Row, *, back: bool) -> tuple[int, Line]:
        quantity, price = row.read("quantity", values.whole, 1), row.read("price", values.money)
        quantity = -quantity if back else quantity
        if quantity <= 0:
            raise Skip("quantity not positive")
        if price <= 0:
            raise Skip("price not positive")
        amount = self._units(row, "price", quantity * price)
        product, category = row.text("product") or "?", row.text("category")
        return amount, Line(product=product, quantity=quantity, amount=amount, category=category)

    def _whole(self, row: Row) -> tuple[int, Line | None]:
        amount = self._units(row, "amount", row.read("amount", values.money))
        product = row.text("product")
        quantity = row.read("quantity", values.whole, 1)
        if quantity < 0:
            raise RowRefusedError(row.column("quantity"), "must not be below zero", row.text("quantity"))
        return amount, Line(product=product, quantity=quantity, category=row.text("category")) if product else None

    def _units(self, row: Row, field: str, amount: Decimal) -> int:
        try:
            units = minor_units(amount, self._terms.shop.exponent)
        except ValueError as error:
            reason = f"{error} (the shop's exponent is {self._terms.shop.exponent})"
            raise RowRefusedError(row.column(field), reason, row.text(field)) from None
        if units < 0:
            raise RowRefusedError(row.column(field), "must not be below zero", row.text(field))
        return units


def join(pieces: Iterable[Piece], *, by_line: bool) -> Piece:
    """All pieces of one order as one, at its earliest instant.

    Lines add up. Where each row tells the order's amount, as exports with one row per product do, it counts once: rows
    that disagree are refused, like rows of different customers.
    """
    first, *more = everything = list(pieces)
    if any(each.over for each in everything):
        raise RowRefusedError("", "the order has more rows than an order may have")
    rows = sum(each.rows for each in everything)
    if any(each.torn for each in everything):
        return msgspec.structs.replace(first, rows=rows, torn=True)
    for each in more:
        if each.who != first.who:
            raise RowRefusedError("", f"the customer differs from that of the order's row {first.row}")
        if not by_line and (each.amount, each.refund) != (first.amount, first.refund):
            raise RowRefusedError("", f"the amount differs from that of the order's row {first.row}")
    lines = [line for each in everything for line in each.lines]
    if len(lines) > MOST_LINES and not by_line:
        raise RowRefusedError("", f"the order has more than {MOST_LINES} lines")
    if by_line and sum(each.amount for each in everything) > LARGEST:
        raise RowRefusedError("", "the order's lines add up to more than any amount taken")
    return msgspec.structs.replace(
        first,
        rows=rows,
        at=min(each.at for each in everything),
        amount=sum(each.amount for each in everything) if by_line else first.amount,
        refund=sum(each.refund for each in everything) if by_line else first.refund,
        discount=sum(each.discount for each in everything) if by_line else first.discount,
        lines=lines,
    )
