"""The quick reader of orders against the exact one: whatever it takes, it reads alike, and it leaves alike what nobody asked for."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.cutting import NOTHING
from services.ingest.envelope import Envelope
from services.ingest.fields import EventRefusedError, Fields
from services.ingest.identifiers import Pepper
from services.ingest.people import Desk, Person
from services.ingest.segment_orders import exact_order, plain_order
from shared.shop import Shop

ENVELOPE = Envelope(
    Desk(Shop(), Pepper(b"p" * 32)), Person("g" + "0" * 32, (), NOTHING), "e1", 1_700_000_000_000, "web", 7
)
TEXTS = st.one_of(
    st.sampled_from(["", "a", "CNY", "cny", "USD", "repeat", "上海", "x" * 256, "x" * 257]),
    st.none(),
    st.integers(-2, 5),
    st.booleans(),
)
NUMBERS = st.one_of(
    st.integers(-2, 10**6 + 1),
    st.sampled_from(
        [2**53, 2**53 + 1, 10**12, 10**14, 10**17, -(10**17), True, None, "1", "239.50", "1.234", "-1", "", "x"]
    ),
    st.decimals(-10, 10**13, places=2),
    st.decimals(0, 10, places=3),
)
LINES = st.fixed_dictionaries(
    {},
    optional={
        "product_id": TEXTS,
        "sku": TEXTS,
        "quantity": NUMBERS,
        "price": NUMBERS,
        "category": TEXTS,
        "brand": TEXTS,
    },
)
ORDERS = st.fixed_dictionaries(
    {"order_id": TEXTS, "total": NUMBERS},
    optional={
        **dict.fromkeys(
            ("orderId", "currency", "kind", "channel", "shop_id", "guide_id", "coupon", "member_level"), TEXTS
        ),
        **dict.fromkeys(("version", "order_version", "discount", "tax"), NUMBERS),
        "products": st.one_of(st.lists(st.one_of(LINES, TEXTS), max_size=2), TEXTS),
    },
)
PLAIN = st.fixed_dictionaries(
    {"order_id": st.just("o1"), "total": st.one_of(st.integers(0, 9), st.just("239.50"), st.just(Decimal("0.5")))},
    optional={
        "products": st.lists(
            st.fixed_dictionaries(
                {"product_id": st.just("p")}, optional={"price": NUMBERS, "quantity": st.integers(0, 3), "sku": TEXTS}
            ),
            max_size=3,
        ),
        "coupon": TEXTS,
        "discount": NUMBERS,
        "tax": NUMBERS,
    },
)


@settings(max_examples=600)
@given(st.one_of(ORDERS, PLAIN))
def test_what_the_quick_reader_takes_the_exact_one_reads_alike(properties: dict[str, Any]) -> None:
    quick, exact = Fields(copy.deepcopy(properties), "properties"), Fields(copy.deepcopy(properties), "properties")
    found = plain_order(ENVELOPE, quick, 7)

    if found is None:
        assert quick.rest() == properties, "what was not taken must be left as it was"
        return
    assert found == exact_order(ENVELOPE, exact, 7)
    assert quick.rest() == exact.rest()


@given(PLAIN)
def test_an_ordinary_order_goes_the_quick_way(properties: dict[str, Any]) -> None:
    try:
        exact_order(ENVELOPE, Fields(copy.deepcopy(properties)), 7)
    except EventRefusedError:
        return
    spelled = [properties.get("coupon"), *(line.get("quantity", 1) for line in properties.get("products", ()))]
    if "coupon" in properties and type(spelled[0]) is not str:  # digits and null are the exact reader's
        return
    assert plain_order(ENVELOPE, Fields(properties), 7) is not None
