"""Laws of the profile service: its fold against a naive recomputation, and against itself in other splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.profile import orders
from services.profile.fold import ProfileFold
from services.profile.snapshot import profile_at
from services.profile.state import State
from shared.contract.bundles import ProfileStep
from shared.contract.facts import (
    ConsentSet,
    CustomerFact,
    MessageReported,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    PageViewed,
    StoreVisited,
    TagsSet,
    TraitsSet,
)
from shared.contract.origin import NOWHERE
from shared.engine.fold.fold import Context, Fold, Outcome
from shared.shop import DAY, Shop
from tests.property.naive_profile import WINDOW, Inside, inside_window, is_duplicate, leaving, naive

SHOP = Shop(window_days=2)
START = 1_700_000_000_000
FAR = START + 10**12
"""Arrival of every fact: above all of them, so that nothing is clamped."""

KEPT = (PageViewed, StoreVisited)
"""Facts of the histories that make no step."""

Action = CustomerFact | int
"""A fact, or a tick to this instant."""


def fold_with(open_limit: int = orders.OPEN_LIMIT) -> Fold[State]:
    return ProfileFold(SHOP, scenario=False, open_limit=open_limit)


def context(clock: int, key: str = "k") -> Context:
    return Context(key, key, clock, FAR, NOWHERE)


def follow(history: Sequence[Action], inside: Inside = inside_window) -> None:
    """Laws 1 and 2: each step of the fold is what the naive model says, and duplicates do nothing."""
    fold, state, clock, now = fold_with(), State(), 0, 0
    taken: list[CustomerFact] = []
    for action in history:
        if isinstance(action, int):
            clock = max(clock, action)
            outcome, expected = fold.on_time(state, context(clock)), [*leaving(taken, now, clock)]
            now = max(now, clock)
            known = [taken] * len(expected)
        elif is_duplicate(action, taken):
            assert fold.on_record(state, action, context(clock)) is None
            continue
        elif isinstance(action, KEPT):
            outcome, expected, known = fold.on_record(state, action, context(clock)), [], []
            taken.append(action)
        else:
            outcome, before, now = fold.on_record(state, action, context(clock)), now, max(clock, now, action.at)
            leave = leaving(taken, before, now - 1)
            expected, known = [*leave, now], [*[list(taken)] * len(leave), [*taken, action]]
            taken.append(action)
        assert outcome is not None
        steps = outcome.steps or ()
        assert [step.at for step in steps] == expected
        for step, facts in zip(steps, known, strict=True):
            assert step.profile == naive(facts, step.at, inside)
        assert outcome.as_of == now
        assert outcome.due == min(leaving(taken, now, 2**62), default=2**63 - 1)
        state = outcome.state


# --- histories

instants = st.builds(lambda half, off: START + half * DAY + off, st.integers(0, 8), st.sampled_from([-1, 0, 0, 1]))
amounts = st.integers(-50, 1000)
order_ids = st.sampled_from(["o1", "o2", "o3", "o4", "o5", "o6"])


def shared(index: int, at: int) -> dict[str, Any]:
    return {"id": f"e{index}", "at": at, "contacts": ("phone",) if index % 5 == 0 else ()}


@st.composite
def fact_pools(draw: st.DrawFn, *, only_orders: bool = False) -> list[CustomerFact]:
    """Different facts; one with the same natural id is the same fact."""
    facts: list[CustomerFact] = []
    placed = draw(st.lists(st.tuples(order_ids, st.integers(1, 3)), unique=True, min_size=1, max_size=10))
    for order_id, version in placed:
        common = shared(len(facts), draw(instants))
        facts.append(OrderPlaced(**common, order_id=order_id, version=version, amount=draw(amounts), currency="CNY"))
    for number in range(draw(st.integers(0, 5))):
        common = shared(len(facts), draw(instants))
        named = draw(st.just("") | order_ids)
        facts.append(
            OrderRefunded(**common, refund_id=f"r{number}", amount=draw(amounts), currency="CNY", order_id=named)
        )
    for order_id in draw(st.lists(order_ids, unique=True, max_size=2)):
        facts.append(OrderCancelled(**shared(len(facts), draw(instants)), order_id=order_id))
    if only_orders:
        return facts
    for _ in range(draw(st.integers(0, 6))):
        common = shared(len(facts), draw(instants))
        facts.append(draw(st.sampled_from([other(common, draw(st.integers(0, 5)), draw(st.sampled_from("ab")))])))
    return facts


def other(common: dict[str, Any], kind: int, letter: str) -> CustomerFact:
    if kind == 0:
        return PageViewed(**common, name=letter) if letter == "a" else StoreVisited(**common, shop_id=letter)
    if kind == 1:
        return TraitsSet(**common, traits={"guide": letter, "colour": {"shade": 2**70}})
    if kind == 2:
        return TraitsSet(**common, traits={"birthday": f"1990-01-0{1 + ord(letter) % 2}"})
    if kind == 3:
        return ConsentSet(**common, channel="sms", purpose="marketing", granted=letter == "a")
    if kind == 4:
        return TagsSet(**common, add=(letter, "c"), remove=("ab".replace(letter, ""),))
    return MessageReported(
        **common, command_id="c", rule="r", channel="sms", status="sent" if letter == "a" else "failed"
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Action]:
    """Facts in any order, some again, with ticks between them."""
    pool = draw(fact_pools())
    return draw(st.lists(st.sampled_from(pool) | instants, min_size=1, max_size=30))


def run(
    history: Sequence[Action],
    *,
    fold: Fold[State] | None = None,
    state: State | None = None,
    key: str = "k",
    stored: bool = False,
) -> tuple[State, list[Outcome[State] | None]]:
    """Final state and all outcomes; `stored`: the state goes through its stored form before every record."""
    fold, state, clock = fold or fold_with(), state or State(), 0
    outcomes = []
    for action in history:
        if stored:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=State)
        if isinstance(action, int):
            clock = max(clock, action)
            outcome = fold.on_time(state, context(clock, key))
        else:
            outcome = fold.on_record(state, action, context(clock, key))
        state = outcome.state if outcome else state
        outcomes.append(outcome)
    return state, outcomes


def all_steps(outcomes: Sequence[Outcome[State] | None]) -> list[ProfileStep]:
    return [step for outcome in outcomes if outcome for step in outcome.steps or ()]


ORDER = OrderPlaced(id="e", at=START, order_id="o", amount=100, currency="CNY")


@given(histories())
@example([ORDER, START + WINDOW - 1, START + WINDOW])
@example([ORDER, msgspec.structs.replace(ORDER, id="f", at=START + WINDOW, order_id="p")])
def test_every_step_is_what_the_facts_so_far_say_and_duplicates_do_nothing(history: list[Action]) -> None:
    follow(history)


@pytest.mark.parametrize(
    "off_by_one",
    [lambda a, t: t - WINDOW <= a <= t, lambda a, t: t - WINDOW < a < t, lambda a, t: t - WINDOW + 1 < a <= t],
)
def test_the_comparison_catches_a_window_that_is_off_by_one(off_by_one: Inside) -> None:
    history: list[Action] = [
        ORDER,
        START + WINDOW - 1,
        msgspec.structs.replace(ORDER, id="f", at=START + WINDOW - 1, order_id="p"),
        START + WINDOW,
    ]
    follow(history)
    with pytest.raises(AssertionError):
        follow(history, off_by_one)


@given(fact_pools(), st.lists(instants, max_size=12))
def test_wide_and_narrow_ticks_give_the_same_steps(facts: list[CustomerFact], ticks: list[int]) -> None:
    end = START + 30 * DAY
    in_order = sorted(facts, key=lambda fact: fact.at)
    # a tick says that everything up to its instant stands before it
    moments = [(fact.at, 0, place) for place, fact in enumerate(in_order)] + [(tick, 1, 0) for tick in ticks]
    narrow: list[Action] = [at if is_tick else in_order[place] for at, is_tick, place in sorted(moments)]
    assert all_steps(run([*narrow, end])[1]) == all_steps(run([*in_order, end])[1])


@given(histories())
def test_the_stored_form_of_the_state_loses_nothing(history: list[Action]) -> None:
    assert run(history, stored=True) == run(history)


@given(histories(), st.integers(1, 4))
def test_sealing_orders_changes_no_answer(history: list[Action], open_limit: int) -> None:
    _, sealed = run(history, fold=fold_with(open_limit))
    _, opened = run(history)
    assert all_steps(sealed) == all_steps(opened)
    assert [o and (o.due, o.as_of) for o in sealed] == [o and (o.due, o.as_of) for o in opened]


@given(st.data(), fact_pools(only_orders=True), st.sampled_from([1, 2, orders.OPEN_LIMIT]))
def test_a_history_split_over_two_ids_is_whole_again_after_the_hand_over(
    data: st.DataObject, pool: list[CustomerFact], open_limit: int
) -> None:
    fold, end = fold_with(open_limit), START + 20 * DAY
    before = data.draw(st.lists(st.tuples(st.sampled_from(pool), st.booleans()), max_size=20))
    late = data.draw(st.lists(st.sampled_from(pool), max_size=10))
    ours, _ = run([fact for fact, weak in before if not weak], fold=fold)
    theirs, _ = run([fact for fact, weak in before if weak], fold=fold, key="u")
    left, fragment = fold.surrender(theirs)
    merged = fold.absorb(ours, fragment, context(0)).state
    one, _ = run([fact for fact, _ in before], fold=fold)
    assert left == State()
    for entry in orders.entries(merged.orders):
        came = {
            "u" if weak else "k" for fact, weak in before if isinstance(fact, OrderPlaced) and fact.order_id == entry.id
        }
        assert merged.aliases[entry.alias] in came
    for history in ([], late):
        (split, told), (whole, expected) = run(history, fold=fold, state=merged), run(history, fold=fold, state=one)
        assert [outcome is None for outcome in told] == [outcome is None for outcome in expected]
        for t in (split.now, split.now + WINDOW // 2, end):
            was = msgspec.structs.replace(profile_at(split, t, WINDOW, key="k"), contacts={}, ids=())
            assert was == msgspec.structs.replace(profile_at(whole, t, WINDOW, key="k"), contacts={}, ids=())
