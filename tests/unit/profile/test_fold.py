"""What the profile fold answers to single facts and ticks: instants, causes, what is sent on and what is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.profile.fold import ProfileFold
from services.profile.logic import RING
from services.profile.state import State
from shared.contract.bundles import Happened, ProfileStep
from shared.contract.codec import encode
from shared.contract.facts import (
    ConsentSet,
    CustomerFact,
    MessageReported,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    PageViewed,
    ProductViewed,
    TagsSet,
    TraitsSet,
)
from shared.contract.origin import NEVER, NOWHERE
from shared.engine.fold.fold import Context, Fold, Outcome
from shared.shop import DAY, Shop
from tests.support.kept_facts import kept_facts, tag_of

T = 1_700_000_000_000
MINUTE = 60_000
WINDOW = 10 * DAY
LIVE: Fold[State] = ProfileFold(Shop(window_days=10), scenario=False)
SCENARIO: Fold[State] = ProfileFold(Shop(window_days=10), scenario=True)


def order(order_id: str = "o", **more: Any) -> OrderPlaced:
    plain: dict[str, Any] = {"id": f"e-{order_id}", "at": T, "order_id": order_id, "amount": 100, "currency": "CNY"}
    return OrderPlaced(**plain | more)


def refund(refund_id: str = "r", **more: Any) -> OrderRefunded:
    plain: dict[str, Any] = {"id": f"e-{refund_id}", "at": T, "refund_id": refund_id, "amount": 30, "currency": "CNY"}
    return OrderRefunded(**plain | more)


def at(clock: int = 0, *, alias: str = "", arrived: int = T + 90 * DAY) -> Context:
    return Context("key", alias, clock, arrived, NOWHERE)


def step(state: State, fact: CustomerFact, context: Context | None = None, fold: Fold[State] = LIVE) -> Outcome[State]:
    outcome = fold.on_record(state, fact, context or at())
    assert outcome is not None
    return outcome


def last(state: State, *facts: CustomerFact) -> ProfileStep:
    """The last step that these facts bring."""
    for fact in facts:
        outcome = step(state, fact)
        state = outcome.state
    assert outcome.steps
    found: ProfileStep = outcome.steps[-1]
    return found


@pytest.mark.parametrize(
    ("fold", "claimed", "arrived", "clock", "taken"),
    [
        (LIVE, T + 5 * MINUTE, T, 0, T + 5 * MINUTE),
        (LIVE, T + 5 * MINUTE + 1, T, 0, T),
        (SCENARIO, T + DAY, 0, T, T + DAY),
        (SCENARIO, T + DAY + 1, 0, T, T),
        (SCENARIO, T + 50 * DAY, 0, 0, T + 50 * DAY),
    ],
)
def test_a_fact_too_far_above_its_arrival_happened_at_its_arrival(
    fold: Fold[State], claimed: int, arrived: int, clock: int, taken: int
) -> None:
    (told,) = step(State(), order(at=claimed), at(clock, arrived=arrived), fold).steps or ()
    assert told.happened[0].at == taken
    assert told.profile.first_order_at == taken


def test_a_late_fact_is_taken_at_the_clock_and_at_the_customers_own_now() -> None:
    assert step(State(), order(), at(T + 5)).as_of == T + 5
    ahead = step(State(), order(at=T + MINUTE), at(T, arrived=T)).state
    assert step(ahead, order("p"), at(T, arrived=T)).as_of == T + MINUTE


def test_what_left_the_window_before_a_fact_has_steps_of_its_own() -> None:
    state = step(step(State(), order()).state, order("p", at=T + DAY)).state
    outcome = step(state, order("q", at=T + 12 * DAY))
    told = [(s.at, s.cause, s.profile.window_orders, s.profile.orders) for s in outcome.steps or ()]
    assert told == [(T + 10 * DAY, "time", 1, 2), (T + 11 * DAY, "time", 0, 2), (T + 12 * DAY, "event", 1, 3)]
    assert outcome.due == T + 22 * DAY


def test_what_leaves_the_window_at_the_instant_of_a_fact_is_part_of_its_step() -> None:
    (told,) = step(step(State(), order()).state, order("p", at=T + WINDOW)).steps or ()
    assert (told.at, told.cause, told.profile.window_orders, told.profile.orders) == (T + WINDOW, "event", 1, 2)


@pytest.mark.parametrize("quiet", kept_facts("v", T + 2 * WINDOW, contacts=("phone",)), ids=tag_of)
def test_facts_that_are_only_kept_are_remembered_and_move_nothing(quiet: CustomerFact) -> None:
    state = step(State(), order()).state
    outcome = step(state, quiet)
    assert (outcome.steps, outcome.as_of, outcome.due) == (None, T, T + WINDOW)
    assert LIVE.on_record(outcome.state, quiet, at()) is None
    assert last(outcome.state, order("p")).profile.contacts == {"phone": "key"}


def test_a_tick_takes_the_customer_to_its_instant_even_if_nothing_is_due_any_more() -> None:
    outcome = LIVE.on_time(State(now=T), at(T + 1))
    assert outcome == Outcome(State(now=T + 1), NEVER, T + 1, None)
    assert LIVE.on_time(State(now=T), at(T - 1)) == Outcome(State(now=T), NEVER, T, None)


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ([order()], "event"),
        ([order(version=7)], "event"),
        ([order(), order(version=2)], "correction"),
        ([order(mode="import"), order(version=2, mode="import")], "import"),
        ([refund()], "correction"),
        ([refund(order_id="o", mode="import")], "import"),
        ([OrderCancelled(id="c", at=T, order_id="o")], "correction"),
        ([TraitsSet(id="t", at=T, traits={})], "event"),
    ],
)
def test_the_cause_tells_corrections_imports_and_events_apart(facts: list[CustomerFact], cause: str) -> None:
    assert last(State(), *facts).cause == cause


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([order(version=2)], Happened(what="order.placed", id="e-o", at=T, ref="o")),
        ([order(), order(version=2)], Happened(what="order.placed", id="e-o", at=T, ref="o", status="revised")),
        ([refund(order_id="o")], Happened(what="order.refunded", id="e-r", at=T, ref="o")),
        (
            [order(mode="import", baseline=T, confirmed=True)],
            Happened(what="order.placed", id="e-o", at=T, ref="o", silent=True, baseline=T, confirmed=True),
        ),
        (
            [ProductViewed(id="1", at=T, product="p"), ProductViewed(id="2", at=T + MINUTE, product="p")],
            Happened(what="product.viewed", id="2", at=T + MINUTE, ref="p", before=0, after=MINUTE),
        ),
        (
            [MessageReported(id="m", at=T, command_id="c", rule="r", channel="sms", status="sent")],
            Happened(what="message.reported", id="m", at=T, ref="c", status="sent"),
        ),
    ],
)
def test_later_hops_learn_what_happened(facts: list[CustomerFact], expected: Happened) -> None:
    assert last(State(), *facts).happened == (expected,)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (order(), order(id="other")),
        (order(version=3), order(id="other", version=2)),
        (OrderCancelled(id="c", at=T, order_id="o"), order(version=9)),
        (OrderCancelled(id="c", at=T, order_id="o"), OrderCancelled(id="d", at=T, order_id="o")),
        (refund(), refund(id="other", order_id="o")),
        (refund(order_id="o"), refund(id="other")),
        (PageViewed(id="v", at=T), TraitsSet(id="v", at=T, traits={"guide": "g"})),
    ],
)
def test_a_duplicate_answers_nothing(first: CustomerFact, again: CustomerFact) -> None:
    assert LIVE.on_record(step(State(), first).state, again, at()) is None


def test_the_ring_remembers_the_latest_64_ids_and_no_more() -> None:
    state = State()
    for number in range(RING + 1):
        state = step(state, PageViewed(id=f"v{number}", at=T)).state
    assert LIVE.on_record(state, PageViewed(id="v1", at=T), at()) is None
    assert step(state, PageViewed(id="v0", at=T)).steps is None


def test_traits_and_consents_keep_the_latest_instant_and_at_ties_the_later_record() -> None:
    told = last(
        State(),
        TraitsSet(id="1", at=T, traits={"guide": "g1", "level": "gold"}),
        TraitsSet(id="2", at=T - 1, traits={"guide": "late", "zone": "Asia/Tokyo"}),
        TraitsSet(id="3", at=T, traits={"guide": "g2", "level": 3}),
        ConsentSet(id="4", at=T, channel="all", purpose="marketing", granted=True),
        ConsentSet(id="5", at=T, channel="all", purpose="marketing", granted=False),
        ConsentSet(id="6", at=T - 1, channel="all", purpose="marketing", granted=True),
    ).profile
    assert (told.guide, told.zone, told.level) == ("g2", "Asia/Tokyo", "")
    assert {name: (consent.granted, consent.at) for name, consent in told.consents.items()} == {
        "all/marketing": (False, T)
    }


def test_contacts_name_the_id_under_which_they_were_sealed() -> None:
    state = step(State(), order(contacts=("phone", "email")), at(alias="weaker")).state
    assert last(state, order("p", contacts=("email",))).profile.contacts == {"phone": "weaker", "email": "key"}


@pytest.mark.parametrize(
    ("fact", "field"),
    [(order(amount=10**15), "amount"), (order(version=2**60), "version"), (refund(amount=-(10**15)), "amount")],
)
def test_numbers_that_cannot_be_kept_exactly_are_refused_by_name(fact: CustomerFact, field: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: "):
        LIVE.on_record(State(), fact, at())


def test_records_are_decoded_as_they_stand_on_the_log() -> None:
    assert LIVE.records(encode(order())) == order()


def test_a_state_of_an_unknown_version_is_refused() -> None:
    with pytest.raises(ValueError, match="schema: version 4"):
        LIVE.upgrade(4, b"")


@pytest.mark.parametrize(("schema", "last"), [(1, "messages"), (1, "erased"), (2, "parts")])
def test_what_a_state_of_an_older_version_lacks_has_its_default(schema: int, last: str) -> None:
    state = step(State(), order()).state
    before = msgspec.structs.astuple(state)[: State.__struct_fields__.index(last) + 1]
    book = [tuple(one[:6]) if isinstance(one, tuple) and len(one) > 6 else one for one in before]
    assert LIVE.upgrade(schema, msgspec.msgpack.encode(book)) == state


def test_of_each_tag_the_latest_statement_holds_and_a_late_one_does_not_bring_it_back() -> None:
    facts = (
        TagsSet(id="1", at=T, add=("vip", "tea")),
        TagsSet(id="2", at=T + 2, remove=("vip",)),
        TagsSet(id="3", at=T + 1, add=("vip",)),
        TagsSet(id="4", at=T, add=("both",), remove=("both", "never")),
        TagsSet(id="5", at=T, remove=("tea",)),
        TagsSet(id="6", at=T, add=("tea", "a")),
    )
    assert last(State(), *facts).profile.tags == ("a", "tea")


def test_absorbing_takes_over_everything_and_tells_one_merge() -> None:
    ours = step(step(State(), order()).state, TraitsSet(id="t", at=T + 1, traits={"guide": "ours", "level": "l"})).state
    theirs = State()
    facts: list[CustomerFact] = [
        OrderPlaced(id="1", at=T - DAY, order_id="p", amount=50, currency="CNY", contacts=("openid",)),
        refund(order_id="o"),
        TraitsSet(id="2", at=T, traits={"guide": "theirs", "zone": "Asia/Tokyo"}),
        ConsentSet(id="3", at=T, channel="sms", purpose="marketing", granted=True),
        MessageReported(id="4", at=T, command_id="c", rule="r", channel="sms", status="sent"),
        ProductViewed(id="5", at=T, product="x"),
        TagsSet(id="6", at=T, add=("vip",)),
    ]
    for fact in facts:
        theirs = step(theirs, fact, at(alias="weaker")).state
    left, fragment = LIVE.surrender(theirs)
    outcome = LIVE.absorb(ours, fragment, at(T + DAY))
    (told,) = outcome.steps or ()
    assert (left, told.at, told.cause) == (State(), T + DAY, "merge")
    assert (told.profile.orders, told.profile.total, told.profile.first_order_id) == (2, 120, "p")
    assert (told.profile.guide, told.profile.zone, told.profile.level) == ("ours", "Asia/Tokyo", "l")
    assert told.profile.contacts == {"openid": "weaker"}
    assert told.profile.messages == {"sent": 1}
    assert "sms/marketing" in told.profile.consents
    assert told.profile.tags == ("vip",)
    assert outcome.due == T + 9 * DAY
    for fact in (facts[-1], facts[1]):
        assert LIVE.on_record(outcome.state, fact, at(alias="weaker")) is None
        again = LIVE.on_record(outcome.state, fact, at())  # known of the person, new under this id
        assert again is not None
        assert again.steps is None
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(outcome.state), type=State) == outcome.state
