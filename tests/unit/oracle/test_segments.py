"""Lifecycle, RFM and cuts (docs/semantics.md, part 3)."""

from __future__ import annotations

import pytest

from shared.contract.broadcasts import Cuts
from shared.contract.bundles import Profile
from shared.instants import local_day, parse_zone
from shared.shop import DAY, Bounds, Shop
from tests.oracle.cut_check import check_cuts, population_at
from tests.oracle.lifecycle import stage, turning_points, warned
from tests.oracle.rfm import Measure, Score, cuts_of, measure_of, on_grid, score_of
from tests.unit.oracle.story import SHOP, T0, Story, at, cancel, consent, moves, order, refund

CUTS = Cuts((20, 15, 10, 5), (1, 2, 3, 6), (100, 200, 300, 400))
LOW = Cuts((99_999,) * 4, (9,) * 4, (9_999_999,) * 4)
HIGH = Cuts((0,) * 4, (0,) * 4, (0,) * 4)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 0, "new"),
        (7 * DAY, 0, "new"),
        (7 * DAY + 1, 0, "active"),
        (180 * DAY - 1, 0, "active"),
        (180 * DAY, 0, "loyal"),
        (30 * DAY, 30 * DAY, "active"),
        (200 * DAY, 30 * DAY, "loyal"),
        (200 * DAY, 30 * DAY + 1, "silent"),
        (200 * DAY, 90 * DAY, "silent"),
        (200 * DAY, 90 * DAY + 1, "churned"),
    ],
)
def test_the_stage_by_time_since_first_and_last_order(first: int, last: int, expected: str) -> None:
    assert stage(T0, T0 - first, T0 - last, Bounds()) == expected


def test_without_orders_there_is_no_stage_and_no_warning() -> None:
    assert (stage(T0, None, None, Bounds()), warned(T0, None, Bounds())) == ("none", False)


def test_the_sleep_warning_lasts_from_silence_to_its_own_bound() -> None:
    elapsed = [30 * DAY, 30 * DAY + 1, 60 * DAY, 60 * DAY + 1]
    assert [warned(T0, T0 - one, Bounds()) for one in elapsed] == [False, True, True, False]


def test_a_life_without_a_second_order() -> None:
    answer = Story().tell(order("o1", at(0))).tick(at(400)).ann()
    assert moves(answer) == [
        (1, "lifecycle", "none", "new", at(0), "event"),
        (2, "lifecycle", "new", "active", at(7, ms=1), "time"),
        (3, "lifecycle", "active", "silent", at(30, ms=1), "time"),
        (4, "sleep_warning", "no", "yes", at(30, ms=1), "time"),
        (5, "sleep_warning", "yes", "no", at(60, ms=1), "time"),
        (6, "lifecycle", "silent", "churned", at(90, ms=1), "time"),
    ]


def test_a_faithful_customer_becomes_loyal_at_the_first_instant_of_the_bound() -> None:
    story = Story().tell(order("o1", at(0)), order("o2", at(170))).tick(at(181))
    assert moves(story.ann())[-1][1:] == ("lifecycle", "active", "loyal", at(180), "time")


def test_a_cancelled_only_order_takes_him_back_to_none() -> None:
    answer = Story().tell(order("o1", at(0)), cancel("o1", at(1))).tick(at(100)).ann()
    assert moves(answer)[1:] == [(2, "lifecycle", "new", "none", at(1), "correction")]


def test_every_turning_point_belongs_to_a_bound() -> None:
    days = sorted(point / DAY for point in turning_points(0, 0, Bounds()))
    assert [round(one) for one in days] == [7, 30, 60, 90, 180]
    assert days[-1] == 180
    assert turning_points(None, None, Bounds()) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (2**20 - 1, 2**20 - 1), (2**20 + 1, 2**20), (2**22 + 15, 2**22 + 8), (-(2**20) - 1, -(2**20)), (-5, -5)],
)
def test_amounts_lie_on_a_grid_of_20_bits(value: int, expected: int) -> None:
    assert on_grid(value) == expected


def test_cuts_are_values_at_a_fifth_each() -> None:
    people = [Measure(day, day, 10 * day) for day in range(1, 8)]
    assert cuts_of(people) == Cuts((6, 5, 3, 2), (2, 3, 5, 6), (20, 30, 50, 60))
    assert cuts_of(people[:1]) == Cuts((1,) * 4, (1,) * 4, (10,) * 4)
    assert cuts_of([]) is None


@pytest.mark.parametrize(
    ("day", "orders", "amount", "expected"),
    [
        (20, 7, 401, Score(5, 5, 5, "important_value")),
        (15, 6, 400, Score(4, 4, 4, "important_value")),
        (15, 3, 400, Score(4, 3, 4, "important_develop")),
        (14, 4, 301, Score(3, 4, 4, "important_keep")),
        (4, 1, 500, Score(1, 1, 5, "important_winback")),
        (99, 9, 100, Score(5, 5, 1, "general_value")),
        (99, 1, 100, Score(5, 1, 1, "general_develop")),
        (0, 9, -100, Score(1, 5, 1, "general_keep")),
        (0, 2, 300, Score(1, 2, 3, "general_winback")),
    ],
)
def test_scores_and_class(day: int, orders: int, amount: int, expected: Score) -> None:
    profile = Profile(orders=orders, last_order_at=day * DAY, window_orders=orders, window_amount=amount)
    assert score_of(measure_of(profile, SHOP), CUTS, ordered=True, high=4) == expected


def test_the_day_of_the_last_order_is_the_shops_own() -> None:
    evening = at(0, hours=16)  # the next day in Shanghai
    day = local_day(at(0), parse_zone("UTC"))
    profile = Profile(orders=1, last_order_at=evening, window_orders=1)
    cuts = Cuts((day + 1,) * 4, (1,) * 4, (1,) * 4)
    shops = [Shop(zone=zone) for zone in ("UTC", "Asia/Shanghai")]
    assert [score_of(measure_of(profile, shop), cuts, ordered=True, high=4).r for shop in shops] == [1, 5]


def test_cuts_move_him_at_the_clock_and_only_if_they_move_him() -> None:
    story = Story().tell(order("o1", at(0))).tick(at(1)).cuts(LOW, epoch=at(1)).tick(at(2)).cuts(LOW, epoch=at(2))
    answer = story.ann()
    assert moves(answer)[1:] == [(2, "rfm", "none", "general_winback", at(1), "cuts")]
    assert (answer.segments.r, answer.segments.f, answer.segments.m, answer.changes[-1].cuts) == (1, 1, 1, at(1))


def test_cuts_below_those_in_force_are_ignored() -> None:
    story = Story().tell(order("o1", at(0))).tick(at(2)).cuts(LOW, epoch=at(2), digest="b")
    story.cuts(HIGH, epoch=at(1), digest="z").cuts(HIGH, epoch=at(2), digest="a").cuts(HIGH, epoch=at(2), digest="b")
    assert story.ann().segments.rfm == "general_winback"
    assert story.cuts(HIGH, epoch=at(2), digest="c").ann().segments.rfm == "important_value"


def test_new_facts_are_scored_with_the_cuts_in_force() -> None:
    story = Story().tick(at(1)).cuts(HIGH, epoch=at(1)).tell(order("o1", at(1)))
    assert moves(story.ann()) == [
        (1, "lifecycle", "none", "new", at(1), "event"),
        (2, "rfm", "none", "important_value", at(1), "event"),
    ]


def test_who_has_left_the_window_is_unclassified() -> None:
    story = Story(shop=Shop(zone="UTC", window_days=10)).tell(order("o1", at(0))).tick(at(1)).cuts(HIGH, epoch=at(1))
    last = moves(story.tick(at(20)).ann())[-1]
    assert last[1:] == ("rfm", "important_value", "unclassified", at(10), "time")


@pytest.mark.parametrize("cuts", [None, HIGH])
def test_no_class_without_cuts_or_without_orders(cuts: Cuts | None) -> None:
    story = Story().tick(at(1)).cuts(cuts, epoch=at(1))
    story.tell(consent()) if cuts else story.tell(order("o1", at(1)))
    assert story.ann().segments.rfm == "none"


def test_a_refund_lowers_m_and_leaves_r_and_f() -> None:
    cuts = Cuts((0,) * 4, (0,) * 4, (500,) * 4)
    story = Story().tick(at(1)).cuts(cuts, epoch=at(1)).tell(order("o1", at(1), 600), refund("r1", at(1), 200))
    got = story.ann().segments
    assert (got.r, got.f, got.m, got.rfm) == (5, 5, 1, "general_value")


def crossing() -> Story:
    """Bob orders at noon of the first day, Ann before; both are there at the tick that enters day 1."""
    story = Story().tick(at(0)).tell(order("o1", at(0), 300)).tell(order("o2", at(0, hours=12), 200), customer="bob")
    return story.tick(at(1, hours=2)).tell(order("o3", at(1, hours=2), 100), customer="cat")


def test_the_population_of_an_epoch_is_taken_after_its_tick() -> None:
    answer = crossing().fold()
    assert sorted(one.amount for one in population_at(answer, at(1))) == [200, 300]
    assert answer.epochs == {0: {at(0): 0, at(1): 3}}


def test_published_cuts_are_checked_at_their_epoch() -> None:
    day = local_day(at(0), parse_zone("UTC"))
    right = Cuts((day,) * 4, (1,) * 4, (200, 200, 300, 300))
    wrong = Cuts((day,) * 4, (1,) * 4, (200, 300, 300, 300))
    assert check_cuts(crossing().cuts(right, epoch=at(1), population=2).fold()).failures == 0
    assert check_cuts(crossing().cuts(wrong, epoch=at(1), population=2).fold()).failures == 1
    assert check_cuts(crossing().cuts(right, epoch=at(1), population=3).fold()).failures == 1
    assert check_cuts(crossing().cuts(right, epoch=at(5), population=2).fold()).failures == 1
