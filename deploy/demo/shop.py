"""The seeded demo shop: two years of orders as import rows, then a season of orders, browsing, refunds and opt-outs."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from deploy.demo.people import DAY, Person, event, person
from shared.instants import format_instant, parse_instant

SEED = 20261111
SEASON_START = parse_instant("2026-03-01T00:00:00+08:00")
HISTORY_DAYS = 730
SEASON_DAYS = 90
HOUR = 3_600_000
PRODUCTS = tuple(
    (f"sku-{number:03d}", Decimal(number * 37 % 400 + 19), f"category-{number % 9}") for number in range(120)
)


class Buyer(msgspec.Struct, frozen=True):
    """A person and his way of buying."""

    person: Person
    joined: int
    """Day (from the history's start) of the first order; may lie in the season."""
    cycle: float
    """Mean days between orders."""
    quits: int
    """Day after which he buys no more."""


def buyers(count: int, seed: int = SEED) -> list[Buyer]:
    """The shop's customers, most of whom leave after the first orders: that is the shop's problem."""
    found = []
    for number in range(count):
        rnd = random.Random(f"{seed}/buyer/{number}")
        joined = int((HISTORY_DAYS + SEASON_DAYS) * rnd.random() ** 0.8)
        cycle = rnd.choice((12.0, 25.0, 31.0, 45.0, 70.0, 120.0))
        stays = rnd.expovariate(1 / rnd.choice((30.0, 120.0, 500.0)))
        found.append(Buyer(person(seed, number, f"M{number:06d}"), joined, cycle, int(joined + stays)))
    return found


def write_history(path: Path, people: list[Buyer], seed: int = SEED) -> int:
    """Orders before the season as CSV in the importer's default columns, local time of Asia/Shanghai; the number of rows."""
    start, rows = SEASON_START - HISTORY_DAYS * DAY, 0
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
        )
        for buyer in people:
            for at, order_id, lines in orders(buyer, start, seed):
                if at < SEASON_START:
                    for product, price, quantity in lines:
                        out.writerow([order_id, product, "", quantity, _local(at), price, buyer.person.member, "China"])
                        rows += 1
    return rows


def season(people: list[Buyer], seed: int = SEED) -> list[tuple[int, dict[str, Any]]]:
    """(instant, event of the typed API), ordered by instant."""
    start = SEASON_START - HISTORY_DAYS * DAY
    found: list[tuple[int, dict[str, Any]]] = []
    for buyer in people:
        for at, order_id, lines in orders(buyer, start, seed):
            if at >= SEASON_START:
                found += _visit(buyer, at, order_id, lines, seed)
        found += _looking(buyer, seed)
    end = SEASON_START + SEASON_DAYS * DAY
    return sorted(((at, one) for at, one in found if at < end), key=lambda pair: (pair[0], pair[1]["id"]))


def orders(buyer: Buyer, start: int, seed: int) -> Iterator[tuple[int, str, list[tuple[str, Decimal, int]]]]:
    """(instant, order id, lines) of all orders of his life."""
    rnd = random.Random(f"{seed}/orders/{buyer.person.member}")
    day, number = float(buyer.joined), 0
    while day <= min(buyer.quits + 0.5, HISTORY_DAYS + SEASON_DAYS):
        at = start + int(day) * DAY + rnd.randrange(8 * HOUR, 23 * HOUR) // 1000 * 1000
        lines = [(*rnd.choice(PRODUCTS)[:2], rnd.choice((1, 1, 1, 2, 3))) for _ in range(rnd.choice((1, 1, 2, 3)))]
        number += 1
        yield at, f"{buyer.person.member}-{number}", [(product, price, quantity) for product, price, quantity in lines]
        day += max(1.0, rnd.gammavariate(3, buyer.cycle / 3))


def _visit(
    buyer: Buyer, at: int, order_id: str, lines: list[tuple[str, Decimal, int]], seed: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Looks, buys, sometimes sends something back, sometimes has had enough of messages."""
    rnd = random.Random(f"{seed}/visit/{order_id}")
    customer = buyer.person.customer()
    total = sum((price * quantity for _, price, quantity in lines), Decimal(0))
    yield at - 60_000, event("product.viewed", f"{order_id}-v", at - 60_000, customer, product=lines[0][0])
    items = [
        {"product": product, "quantity": quantity, "amount": str(price * quantity)}
        for product, price, quantity in lines
    ]
    yield (
        at,
        event(
            "order.placed",
            f"{order_id}-o",
            at,
            customer,
            order_id=order_id,
            amount=str(total),
            currency="CNY",
            lines=items,
        ),
    )
    if rnd.random() < 0.06:
        later = at + rnd.randrange(1, 9) * DAY
        back = str(lines[0][1])
        yield (
            later,
            event(
                "order.refunded",
                f"{order_id}-r",
                later,
                customer,
                refund_id=f"{order_id}-r",
                order_id=order_id,
                amount=back,
                currency="CNY",
            ),
        )
    if rnd.random() < 0.01:
        later = at + 2 * HOUR
        yield later, event("order.cancelled", f"{order_id}-c", later, customer, order_id=order_id)
    if rnd.random() < 0.02:
        later = at + 3 * DAY
        yield (
            later,
            event(
                "consent.set",
                f"{order_id}-out",
                later,
                customer,
                channel="sms",
                purpose="marketing",
                granted=False,
                proof="reply TD",
            ),
        )


def _looking(buyer: Buyer, seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Long looks at a product without buying it: beats every 45 s."""
    rnd = random.Random(f"{seed}/looking/{buyer.person.member}")
    if buyer.joined >= HISTORY_DAYS or rnd.random() > 0.12:
        return
    for visit in range(rnd.choice((1, 1, 2))):
        product = rnd.choice(PRODUCTS)[0]
        begin = SEASON_START + rnd.randrange(SEASON_DAYS * DAY) // 1000 * 1000
        for beat in range(rnd.choice((3, 9, 11))):
            at = begin + beat * 45_000
            yield (
                at,
                event(
                    "product.viewed",
                    f"{buyer.person.member}-l{visit}-{beat}",
                    at,
                    buyer.person.customer(),
                    product=product,
                ),
            )


def _local(at: int) -> str:
    """The instant as the importer's local date and time in Shanghai (UTC+8, no summer time in these years)."""
    return format_instant(at + 8 * HOUR)[:19].replace("T", " ")
