"""Laws of the segmenter, against definitions written another way."""

from __future__ import annotations

import itertools
from collections import defaultdict

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.segmenter.cuts import CutMaker
from services.segmenter.fold import SegmenterFold
from services.segmenter.rfm import grid
from services.segmenter.state import Customer
from shared.contract.broadcasts import Cuts, CutsPublished
from shared.contract.bundles import Profile, ProfileStep
from shared.contract.public_records import SegmentChanged
from shared.shop import DAY, Shop
from tests.unit.segmenter.definitions import EPOCH, SHOPS, START, Fact, live, profile_at, seen, standing
from tests.unit.segmenter.rig import Shard, counted

instants = st.builds(
    lambda days, odd: START + days * DAY + odd, st.integers(0, 320), st.sampled_from((0, 0, 1, -1, 3_600_000, DAY // 2))
)
facts = st.lists(st.builds(Fact, instants, st.sampled_from((-700, -50, 10, 90, 400, 2_500_001))), max_size=8).map(
    sorted
)
few = st.lists(instants, max_size=6)
shops = st.sampled_from(SHOPS)


@st.composite
def cuts(draw: st.DrawFn) -> Cuts:
    def four(low: int, high: int) -> list[int]:
        return sorted(draw(st.lists(st.integers(low, high), min_size=4, max_size=4)))

    return Cuts(tuple(four(18_990, 19_330)[::-1]), tuple(four(1, 6)), tuple(grid(cut) for cut in four(-800, 3_000_000)))


def publications(instants: list[int], contents: list[Cuts | None]) -> list[CutsPublished]:
    pairs = zip(sorted(set(instants)), contents, strict=False)
    return [CutsPublished(at, "d", content, 1 if content else 0) for at, content in pairs]


some_cuts = st.builds(publications, few, st.lists(st.none() | cuts(), min_size=3, max_size=3))


@given(shops, facts, few, instants, some_cuts)
def test_what_was_folded_is_what_the_definition_says_at_the_end(
    shop: Shop, history: list[Fact], ticks: list[int], horizon: int, published: list[CutsPublished]
) -> None:
    end = max([horizon, *ticks, *(cuts.epoch for cuts in published)])
    host = live(shop, history, [*ticks, end], published)

    known = [fact for fact in history if fact.at <= end]
    in_force = published[-1].cuts if published else None
    assert seen(host.customer("c").segments) == standing(shop, profile_at(known, end), end, in_force)
    assert host.customer("c").profile == profile_at(known, end)


@given(shops, facts, few, some_cuts)
def test_every_change_takes_up_where_the_last_one_ended_and_none_is_missing(
    shop: Shop, history: list[Fact], ticks: list[int], published: list[CutsPublished]
) -> None:
    end = START + 400 * DAY
    host = live(shop, history, [*ticks, end], published)

    assert [change.seq for change in host.changes] == list(range(1, len(host.changes) + 1))
    assert [change.effective_at for change in host.changes] == sorted(change.effective_at for change in host.changes)
    chains: dict[str, list[SegmentChanged]] = defaultdict(list)
    for change in host.changes:
        assert change.before != change.after
        assert change.effective_at <= change.detected_at
        chains[change.dimension].append(change)
    stands = host.customer("c").segments
    ends = {"lifecycle": stands.lifecycle, "sleep_warning": "yes" if stands.sleep_warning else "no", "rfm": stands.rfm}
    for dimension, chain in chains.items():
        assert chain[0].before == {"lifecycle": "none", "sleep_warning": "no", "rfm": "none"}[dimension]
        assert all(one.after == two.before for one, two in itertools.pairwise(chain))
        assert chain[-1].after == ends[dimension]
    if host.snapshots:
        assert (host.snapshots[-1].segments, host.snapshots[-1].orders) == (stands, host.customer("c").profile.orders)


@given(shops, facts, few, some_cuts)
def test_the_width_of_ticks_changes_nothing_but_the_delay(
    shop: Shop, history: list[Fact], ticks: list[int], published: list[CutsPublished]
) -> None:
    end = START + 400 * DAY

    wide, narrow = live(shop, history, [end], published), live(shop, history, [*ticks, end], published)

    assert [msgspec.structs.replace(change, detected_at=0) for change in wide.changes] == [
        msgspec.structs.replace(change, detected_at=0) for change in narrow.changes
    ]
    assert [step for _, step in wide.steps] == [step for _, step in narrow.steps]


people = st.lists(
    st.tuples(
        st.sampled_from((1, 1, 2, 3, 40)),
        st.one_of(st.integers(-500, 500), st.integers(-(2**40), 2**40)),
        st.integers(0, 30),
    ),
    max_size=40,
)


@given(people, st.lists(st.integers(0, 3), min_size=40, max_size=40), st.lists(st.integers(0, 3), max_size=5))
def test_cuts_are_those_of_one_sorted_list_however_customers_are_spread_and_owners_restart(
    crowd: list[tuple[int, int, int]], homes: list[int], restarts: list[int]
) -> None:
    shop, maker, at = SHOPS[1], CutMaker(partitions=4), START + 31 * DAY
    shards = [Shard(shop, epoch_ms=EPOCH, partition=number) for number in range(4)]
    answers: list[CutsPublished] = []
    half = len(crowd) // 2
    for number, part in enumerate((crowd[:half], [(orders, amount + 1, day) for orders, amount, day in crowd])):
        for person, (orders, amount, day) in enumerate(part):
            shards[homes[person]].feed(f"c{person}", counting(orders, amount, START + day * DAY), as_of=START)
        answers += [cuts for shard in shards for cuts in counted(maker, shard.tick(at + number * EPOCH))]
        for restarted in restarts:
            shards[restarted].fold = SegmenterFold(shop, epoch_ms=EPOCH, partition=restarted)

    # Instants lie on midnight UTC, which is 08:00 of the same day in Shanghai.
    days = sorted((START // DAY + day for _, _, day in crowd), reverse=True)
    frequencies = sorted(orders for orders, _, _ in crowd)
    amounts = sorted(grid(amount + 1) for _, amount, _ in crowd)
    assert [answer.population for answer in answers] == [half, len(crowd)]
    assert answers[-1].cuts == (Cuts(naive(days), naive(frequencies), naive(amounts)) if crowd else None)


def counting(orders: int, amount: int, last: int, *, ever: int = 1) -> ProfileStep:
    profile = Profile(orders=ever, first_order_at=last, last_order_at=last, window_orders=orders, window_amount=amount)
    return ProfileStep(at=last, cause="event", profile=profile)


def naive(ordered: list[int]) -> tuple[int, ...]:
    n = len(ordered)
    positions = [min(place for place in range(1, n + 1) if 5 * place >= n * k) for k in (1, 2, 3, 4)]
    return tuple(ordered[position - 1] for position in positions)


close_cuts = st.builds(
    lambda days, orders, amounts: Cuts(
        tuple(sorted(days, reverse=True)), tuple(sorted(orders)), tuple(sorted(amounts))
    ),
    *(st.lists(st.integers(low, low + 5), min_size=4, max_size=4) for low in (START // DAY, 1, -2)),
)
neighbours = st.lists(
    st.none() | st.tuples(st.integers(0, 5), st.integers(-3, 4), st.integers(-1, 5)), min_size=1, max_size=10
)


@given(neighbours, st.none() | close_cuts, st.none() | close_cuts)
def test_movers_are_exactly_those_whom_the_cuts_move(
    crowd: list[tuple[int, int, int] | None], old: Cuts | None, new: Cuts | None
) -> None:
    shop, end = SHOPS[1], START + 7 * DAY
    host = Shard(shop, epoch_ms=EPOCH)
    host.cuts(CutsPublished(START, "a", old, 1))
    for number, person in enumerate(crowd):
        step = ProfileStep(at=START, cause="event", profile=Profile())
        if person is not None:
            orders, amount, day = person
            step = counting(orders, amount, START + day * DAY, ever=orders + 1)
        host.feed(f"c{number}", step, as_of=START)
    host.tick(end)
    before = {key: host.customer(key) for key in host.states}
    steps = len(host.steps)

    movers = host.cuts(CutsPublished(end, "z", new, 1))

    rated_before = {key: seen(customer.segments)[2:] for key, customer in before.items()}
    rated_now = {key: standing(shop, customer.profile, end, new)[2:] for key, customer in before.items()}
    assert rated_before == {key: standing(shop, customer.profile, end, old)[2:] for key, customer in before.items()}
    assert movers == [key for key in before if rated_before[key] != rated_now[key]]
    assert movers == [key for key, _ in host.steps[steps:]]
    assert all(step.cause == "cuts" and step.at == end for _, step in host.steps[steps:])


@given(facts, facts, few, some_cuts)
def test_hand_over_leaves_the_strongers_log_gap_free_and_the_weaker_empty(
    weak: list[Fact], strong: list[Fact], ticks: list[int], published: list[CutsPublished]
) -> None:
    end = START + 400 * DAY
    weaker, host = live(SHOPS[0], weak, [end], []), live(SHOPS[0], strong, [*ticks, START], published)
    own = host.customer("c")

    left, fragment = weaker.fold.surrender(weaker.customer("c"))
    outcome = host.fold.absorb(own, fragment, host.context("c"))

    numbers = [output.value.seq for output in outcome.outputs if isinstance(output.value, SegmentChanged)]
    assert numbers == list(range(own.seq + 1, outcome.state.seq + 1))
    assert outcome.state.profile == own.profile
    assert outcome.state.now == max(own.now, weaker.customer("c").now, host.clock)
    assert (outcome.steps or ())[-1].cause == "merge"
    assert left == Customer(now=weaker.customer("c").now, seq=weaker.customer("c").seq)


@given(shops, facts, few, some_cuts)
def test_a_state_comes_back_from_its_bytes(
    shop: Shop, history: list[Fact], ticks: list[int], published: list[CutsPublished]
) -> None:
    state = live(shop, history, [*ticks, START], published).customer("c")

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=Customer) == state


@given(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62))
def test_the_grid_keeps_order_and_loses_less_than_a_part_in_half_a_million(one: int, two: int) -> None:
    assert grid(min(one, two)) <= grid(max(one, two))
    assert grid(grid(one)) == grid(one)
    assert 0 <= abs(one) - abs(grid(one)) <= abs(one) >> 19
    assert grid(-one) == -grid(one)
