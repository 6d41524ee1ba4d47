"""The order book where it is large: a walk-in account of thousands of orders stays exact and small."""

from __future__ import annotations

import msgspec
import pytest

from services.profile import orders
from services.profile.packed import digest, offsets
from services.profile.state import Book

MANY = 2_000


def entry(number: int) -> orders.Entry:
    return orders.Entry(at=1_000 * number, id=f"order-{number:06}", net=number, version=1, alias=0)


@pytest.fixture(scope="module")
def walk_in() -> Book:
    book = Book()
    for number in range(MANY):
        book = orders.place(book, entry(number))
    return book


def test_a_book_seals_its_older_half_when_it_grows_too_wide(walk_in: Book) -> None:
    assert len(walk_in.ats) <= orders.OPEN_LIMIT
    assert walk_in.sealed is not None
    assert len(walk_in.sealed.rows) == orders.ROW.size * (MANY - len(walk_in.ats))
    assert len(msgspec.msgpack.encode(walk_in)) < 50 * MANY
    assert orders.entries(walk_in) == [entry(number) for number in range(MANY)]


def test_sealed_orders_count_to_the_millisecond(walk_in: Book) -> None:
    assert orders.inside(walk_in, orders.EVER) == (MANY, sum(range(MANY)))
    assert orders.inside(walk_in, 5_000) == (MANY - 6, sum(range(6, MANY)))
    assert orders.inside(walk_in, 4_999) == (MANY - 5, sum(range(5, MANY)))
    assert (orders.earliest(walk_in, 4_999), orders.earliest(walk_in, 5_000)) == (5_000, 6_000)
    assert orders.earliest(walk_in, 1_000 * MANY) is None


@pytest.mark.parametrize("number", [0, 1, 700, MANY - 1])
def test_any_order_can_be_found_refunded_and_removed(walk_in: Book, number: int) -> None:
    name = f"order-{number:06}"
    assert orders.find(orders.lower(walk_in, name, 10), name) == entry(number)._replace(net=number - 10)
    left = orders.remove(walk_in, name)
    assert orders.find(left, name) is None
    assert orders.inside(left, orders.EVER) == (MANY - 1, sum(range(MANY)) - number)
    first, last = orders.first(left), orders.last(left)
    assert first is not None
    assert last is not None
    assert first.id == ("order-000001" if number == 0 else "order-000000")
    assert last.id == (f"order-{MANY - 2:06}" if number == MANY - 1 else f"order-{MANY - 1:06}")


def test_an_unknown_order_changes_nothing(walk_in: Book) -> None:
    assert orders.find(walk_in, "none") is None
    assert orders.remove(walk_in, "none") is walk_in
    assert orders.lower(walk_in, "none", 1) is walk_in


def test_a_digest_across_two_rows_is_no_row() -> None:
    key = digest("a")
    across = b"1234" + key + b"5678"
    assert list(offsets(across, key, width=8)) == []
    assert list(offsets(across + key, key, width=8)) == [len(across)]
