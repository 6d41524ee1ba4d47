"""What a customer has bought, from all his orders, refunds and cancellations; knows money and instants, no segments."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shared.contract.facts import OrderCancelled, OrderPlaced, OrderRefunded
from shared.shop import DAY, Shop
from tests.oracle.acceptance import Taken
from tests.oracle.statements import Statements


class Order(msgspec.Struct, frozen=True):
    """An order in force; `net` in minor units, after the refunds that name it."""

    at: int
    id: str
    net: int


class Account(msgspec.Struct, frozen=True):
    """Orders sorted by (at, id), and refunds without an order as (at, minus amount)."""

    orders: tuple[Order, ...] = ()
    loose: tuple[tuple[int, int], ...] = ()

    @property
    def total(self) -> int:
        """Net amount of all time."""
        return sum(order.net for order in self.orders) + sum(amount for _, amount in self.loose)

    def window(self, now: int, shop: Shop) -> tuple[int, int]:
        """(orders, net amount) inside the RFM window at `now`."""
        start = now - shop.window_days * DAY
        inside = [order.net for order in self.orders if order.at > start]
        return len(inside), sum(inside) + sum(amount for at, amount in self.loose if at > start)

    def leaving(self, shop: Shop) -> list[int]:
        """Every instant at which something leaves the window."""
        width = shop.window_days * DAY
        return [order.at + width for order in self.orders] + [at + width for at, _ in self.loose]


def account_of(history: Sequence[Taken]) -> Account:
    """The account after `history`, in which every fact counts once (duplicates are ignored here)."""
    counted = [taken for taken in history if taken.fate == "applied"]
    cancelled = {taken.fact.order_id for taken in counted if isinstance(taken.fact, OrderCancelled)}
    in_force: dict[str, Taken] = {}
    for taken in counted:
        if isinstance(taken.fact, OrderPlaced) and taken.fact.version > _version(in_force.get(taken.fact.order_id)):
            in_force[taken.fact.order_id] = taken
    told = {fact.refund_id: (taken.at, fact) for taken in counted if isinstance(fact := taken.fact, OrderRefunded)}
    refunds = list(told.values())
    orders = []
    for order_id, taken in in_force.items():
        assert isinstance(taken.fact, OrderPlaced)
        if order_id not in cancelled:
            back = sum(refund.amount for _, refund in refunds if refund.order_id == order_id)
            orders.append(Order(taken.at, order_id, taken.fact.amount - back))
    orders.sort(key=lambda order: (order.at, order.id))
    return Account(tuple(orders), tuple((at, -refund.amount) for at, refund in refunds if not refund.order_id))


def account_told(statements: Statements) -> Account:
    """The account of what was told since behaviour 4, in whatever order."""
    refunds = statements.refunds()
    orders = []
    for order_id, held in statements.orders().items():
        back = sum(refund.amount for refund in refunds.values() if refund.order == order_id)
        orders.append(Order(held.at, order_id, held.gross - back))
    loose = [(-refund.earlier, -refund.amount) for refund in refunds.values() if not refund.order and refund.amount]
    return Account(tuple(sorted(orders, key=lambda order: (order.at, order.id))), tuple(loose))


def _version(taken: Taken | None) -> int:
    """Of an order; below every version without one."""
    return taken.fact.version if taken is not None and isinstance(taken.fact, OrderPlaced) else -(2**63)
