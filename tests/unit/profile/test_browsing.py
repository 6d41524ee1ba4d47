"""Laws of browsing: visible time against a plain list of all gaps, and which products are kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.profile.browsing import KEPT, beat
from shared.shop import DAY

START = 1_700_000_000_000

beats = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.builds(
            lambda day, step: START + day * DAY + step, st.integers(0, 2), st.integers(-6, 6).map(lambda n: n * 20_000)
        ),
    ),
    max_size=30,
)


@pytest.mark.parametrize(("later", "seen"), [(DAY - 1, 20_000), (DAY, 0), (DAY + 1, 0)])
def test_a_gap_counts_for_24_hours_to_the_millisecond(later: int, seen: int) -> None:
    products = beat(beat({}, "a", START).products, "a", START + 20_000).products
    answer = beat(products, "a", START + 20_000 + later)
    assert (answer.before, answer.after) == (seen, seen)


@given(beats)
@settings(max_examples=200)
def test_visible_time_is_the_sum_of_the_gaps_of_the_last_24_hours(views: list[tuple[str, int]]) -> None:
    products: dict[str, Any] = {}
    latest: dict[str, int] = {}
    credited_gaps: list[tuple[str, int, int]] = []
    for product, b in views:
        floor = max(b, latest.get(product, b)) - DAY
        before = sum(gap for p, credited, gap in credited_gaps if p == product and floor < credited <= b)
        gap = b - latest[product] if product in latest else 0
        if 0 < gap <= 60_000:
            credited_gaps.append((product, b, gap))
        latest[product] = max(b, latest.get(product, b))
        products, *answer = beat(products, product, b)
        assert answer == [before, before + (gap if 0 < gap <= 60_000 else 0)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=120))
def test_the_products_kept_are_those_with_the_latest_beats(views: list[tuple[int, int]]) -> None:
    products: dict[str, Any] = {}
    latest: dict[str, int] = {}
    for number, minute in views:
        name, b = f"p{number:02}", START + minute * 60_000
        products = beat(products, name, b).products
        latest[name] = max(b, latest.get(name, b))
        kept = sorted(latest, key=lambda p: (latest[p], p))[-KEPT:]
        latest = {p: latest[p] for p in kept}
        assert {p: product.latest for p, product in products.items()} == latest
