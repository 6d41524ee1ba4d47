"""Which of two contradictory reports holds, in whatever order they come: the larger rank (docs/semantics.md §2, behaviour 4)."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from services.profile.packed import DIGEST, digest
from services.profile.state import Contact, Tag, Trait
from shared.contract.facts import OrderPlaced, OrderRefunded
from shared.ids import hash64

COMMUTATIVE: Final = 4
"""The behaviour from which on these ranks decide."""
NO_ORDER: Final = bytes(DIGEST)
"""Stands for the order of a refund that names none."""

_encode = msgspec.json.Encoder().encode


class OrderRank(NamedTuple):
    """Of two reports of one order: the higher version, then the earlier instant, the larger amount, shop and content."""

    version: int
    earlier: int
    """The instant, negative."""
    gross: int
    """Before refunds, minor units."""
    shop: str = ""
    content: int = 0
    """0: shop and content are not known."""

    def above(self, other: OrderRank) -> bool:
        """Whether this one holds against the other; what is not known of one of them decides nothing."""
        return self > other if self.content and other.content else self[:3] > other[:3]


class RefundRank(NamedTuple):
    """Of two reports of one refund: the higher version, then what takes it away, what names an order, the larger amount."""

    version: int
    away: bool
    """The amount is 0."""
    names: bool
    """It names an order."""
    amount: int
    order: int
    """hash64 of the order id."""
    earlier: int
    """The instant, negative, where one counts: of a refund that names no order."""


def content_of(order: OrderPlaced) -> int:
    """Hash of all that an order says, its instant as told included; never 0."""
    told = (order.at, order.amount, order.currency, order.shop_id, order.kind, order.channel, order.guide_id)
    return hash64(_encode((told, order.discount, order.coupon, order.lines)).decode()) or 1


def rank_of_refund(refund: OrderRefunded, at: int) -> RefundRank:
    """Of a report of it; `at` is its instant, clamped."""
    order = digest(refund.order_id) if refund.order_id else NO_ORDER
    return refund_rank(refund.version, order, refund.amount, at)


def refund_rank(version: int, order: bytes, amount: int, at: int) -> RefundRank:
    """The same from what is kept."""
    names = order != NO_ORDER
    hashed = int.from_bytes(order, "little", signed=True)
    return RefundRank(version, amount == 0, names, amount, hashed, 0 if names or not amount else -at)


def trait_above(one: Trait, other: Trait) -> bool:
    """The later; of one instant the greater text."""
    return (one.at, one.value) > (other.at, other.value)


def tag_above(one: Tag, other: Tag) -> bool:
    """The later; of one instant the removal."""
    return (one.at, not one.on) > (other.at, not other.on)


def contact_above(one: Contact, other: Contact) -> bool:
    """The later; of one instant the greater alias."""
    return (one.at, one.alias) > (other.at, other.alias)
