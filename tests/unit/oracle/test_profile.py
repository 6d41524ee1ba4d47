"""Purchases, browsing and the person (docs/semantics.md, part 2)."""

from __future__ import annotations

import pytest

from shared.contract.bundles import Consent, Profile
from shared.contract.facts import ConsentSet, CustomerFact, PageViewed
from shared.shop import DAY, Shop
from tests.oracle.browsing import visible_times
from tests.unit.oracle.story import Story, at, cancel, consent, moves, order, refund, reported, traits, view


def profile(*facts: CustomerFact) -> Profile:
    return Story().tell(*facts).ann().profile


@pytest.mark.parametrize(
    ("facts", "orders", "total"),
    [
        ([order("o1", at(0), 500)], 1, 500),
        ([order("o1", at(0), 500), order("o1", at(0), 500, id="again")], 1, 500),
        ([order("o1", at(0), 500), order("o1", at(0), 700, version=2)], 1, 700),
        ([order("o1", at(0), 700, version=2), order("o1", at(0), 500)], 1, 700),
        ([order("o1", at(0), 500), cancel("o1", at(1))], 0, 0),
        ([cancel("o1", at(0)), order("o1", at(1), 500)], 0, 0),
        ([order("o1", at(0), 500), cancel("o1", at(1)), order("o1", at(2), 700, version=2)], 0, 0),
        ([order("o1", at(0), 500), refund("r1", at(1), 200, "o1")], 1, 300),
        ([order("o1", at(0), 500), refund("r1", at(1), 800, "o1")], 1, -300),
        ([order("o1", at(0), 500), refund("r1", at(1), 200, "o1"), refund("r1", at(2), 200, "o1", id="x")], 1, 300),
        ([refund("r1", at(0), 200, "o1")], 0, 0),
        ([refund("r1", at(0), 200, "o1"), order("o1", at(1), 500)], 1, 300),
        ([order("o1", at(0), 500), refund("r1", at(1), 200, "o1"), cancel("o1", at(2))], 0, 0),
        ([refund("r1", at(0), 200)], 0, -200),
        ([order("o1", at(0), 500), refund("r1", at(1), 200)], 1, 300),
    ],
)
def test_orders_and_total_after(facts: list[CustomerFact], orders: int, total: int) -> None:
    got = profile(*facts)
    assert (got.orders, got.total) == (orders, total)


def test_first_and_last_order_go_by_instant_then_id() -> None:
    got = profile(order("b", at(1)), order("c", at(0)), order("a", at(1)))
    assert (got.first_order_id, got.last_order_id) == ("c", "b")
    assert (got.first_order_at, got.last_order_at) == (at(0), at(1))


def test_a_higher_version_may_move_the_order_in_time() -> None:
    got = profile(order("a", at(5)), order("b", at(4)), order("a", at(3), version=2))
    assert (got.first_order_id, got.last_order_id, got.last_order_at) == ("a", "b", at(4))


def test_an_order_is_inside_the_window_until_its_last_millisecond() -> None:
    story = Story(shop=Shop(zone="UTC", window_days=10)).tell(order("o1", at(0), 500)).tick(at(10, ms=-1))
    inside = story.ann().profile
    outside = story.tick(at(10)).ann().profile
    assert [(one.window_orders, one.window_amount) for one in (inside, outside)] == [(1, 500), (0, 0)]
    assert (outside.orders, outside.total) == (1, 500)


def test_a_refund_without_order_leaves_the_window_on_its_own_day() -> None:
    story = Story(shop=Shop(zone="UTC", window_days=10)).tell(order("o1", at(0), 500), refund("r1", at(4), 700))
    got = [story.tick(at(days)).ann().profile.window_amount for days in (5, 10, 14)]
    assert got == [-200, -700, 0]


def test_an_order_that_comes_after_its_window_never_counts_in_it() -> None:
    story = (
        Story(shop=Shop(zone="UTC", window_days=10)).tick(at(30)).tell(order("o1", at(20)), order("o2", at(20, ms=1)))
    )
    got = story.ann().profile
    assert (got.orders, got.window_orders) == (2, 1)


def test_the_same_event_id_among_the_last_64_is_a_duplicate() -> None:
    once = [view(f"v{n}", at(0, minutes=n)) for n in range(64)]
    again = Story().tell(*once, once[0]).ann()
    assert (again.effects["v0"], dict(again.fates["v0"])) == (1, {"applied": 1, "duplicate": 1})


def test_the_65th_event_pushes_the_first_out_of_the_ring() -> None:
    once = [view(f"v{n}", at(0, minutes=n)) for n in range(65)]
    assert Story().tell(*once, once[0]).ann().effects["v0"] == 2


def test_page_views_take_places_in_the_ring_and_orders_do_not() -> None:
    first = view("v0", at(0))
    pages = [PageViewed(id=f"p{n}", at=at(0)) for n in range(64)]
    orders = [order(f"o{n}", at(0)) for n in range(64)]
    assert Story().tell(first, *pages, first).ann().effects["v0"] == 2
    assert Story().tell(first, *orders, first).ann().effects["v0"] == 1


MINUTE = 60_000


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        ([("p", 0)], [(0, 0)]),
        ([("p", 0), ("p", 60_000)], [(0, 0), (0, 60_000)]),
        ([("p", 0), ("p", 60_001)], [(0, 0), (0, 0)]),
        ([("p", 0), ("p", 0)], [(0, 0), (0, 0)]),
        ([("p", 0), ("p", 30_000), ("p", 10_000), ("p", 40_000)], [(0, 0), (0, 30_000), (0, 0), (30_000, 40_000)]),
        ([("p", 0), ("q", 10), ("p", 20)], [(0, 0), (0, 0), (0, 20)]),
        ([("p", 0), ("p", 10), ("p", DAY + 9)], [(0, 0), (0, 10), (10, 10)]),
        ([("p", 0), ("p", 10), ("p", DAY + 10)], [(0, 0), (0, 10), (0, 0)]),
    ],
)
def test_visible_time_around_each_beat(beats: list[tuple[str, int]], expected: list[tuple[int, int]]) -> None:
    assert visible_times(beats) == expected


def test_the_33rd_product_pushes_out_the_one_with_the_oldest_beat() -> None:
    others = [(f"q{n:02}", 20 + n) for n in range(32)]
    kept = visible_times([("p", 0), ("p", 10), *others[:31], ("p", 5_000)])
    gone = visible_times([("p", 0), ("p", 10), *others, ("p", 5_000)])
    assert (kept[-1], gone[-1]) == ((10, 5_000), (0, 0))


def test_of_products_with_equal_beats_the_larger_id_stays() -> None:
    crowd = [(f"q{n:02}", 0) for n in range(33)]
    times = visible_times([*crowd, ("q32", 10), ("q00", 10)])
    assert times[-2:] == [(0, 10), (0, 0)]


def test_the_latest_word_on_a_trait_wins_and_of_equal_instants_the_later_record() -> None:
    got = profile(
        traits("1", at(2), level="gold", guide="g1"), traits("2", at(1), level="tin"), traits("3", at(2), guide="g2")
    )
    assert (got.level, got.guide) == ("gold", "g2")


def test_a_trait_that_is_no_text_is_passed_on_as_nothing() -> None:
    assert profile(traits("1", at(0), zone="Asia/Tokyo", level=3), traits("2", at(1), zone=None)) == Profile()


def test_consents_are_kept_by_channel_and_purpose() -> None:
    got = profile(
        ConsentSet(id="1", at=at(2), channel="sms", purpose="marketing", granted=False),
        ConsentSet(id="2", at=at(1), channel="sms", purpose="marketing", granted=True),
        ConsentSet(id="3", at=at(1), channel="all", purpose="service", granted=False),
    )
    assert got.consents == {"sms/marketing": Consent(False, at(2)), "all/service": Consent(False, at(1))}


def test_contacts_name_the_customer_and_messages_are_counted_by_status() -> None:
    got = profile(
        consent(), reported("c1", "sent", at(0)), reported("c1", "delivered", at(0)), reported("c2", "sent", at(0))
    )
    assert (got.contacts, got.messages) == ({"phone": "ann"}, {"sent": 2, "delivered": 1})


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ([order("o1", at(0))], "event"),
        ([order("o1", at(0), mode="import")], "import"),
        ([order("o1", at(40)), order("o1", at(0), version=2)], "correction"),
        ([order("o1", at(0)), order("o2", at(40)), cancel("o2", at(40))], "correction"),
    ],
)
def test_the_cause_of_the_last_change(facts: list[CustomerFact], cause: str) -> None:
    assert moves(Story().tell(*facts).ann())[-1][5] == cause
