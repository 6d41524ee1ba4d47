"""Behaviour 4, fact by fact: versions of cancellations and refunds, what packed rows can compare, refusals, what came before."""

from __future__ import annotations

from typing import Any

import pytest

from services.profile.fold import ProfileFold
from services.profile.orders import entries
from services.profile.state import State
from shared.contract.bundles import Consent, Profile, ProfileStep
from shared.contract.facts import (
    ConsentSet,
    CustomerErased,
    CustomerFact,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    ProductViewed,
)
from shared.contract.origin import NOWHERE
from shared.engine.fold.fold import Context
from shared.shop import DAY, Shop

T = 1_700_000_000_000
FOLD = ProfileFold(Shop(), scenario=False, open_limit=2)


class Told:
    """One customer; every fact by `behaviour` unless it says otherwise."""

    def __init__(self, behaviour: int = 4) -> None:
        self.state, self.behaviour, self.number = State(), behaviour, 0

    def hear(self, fact: CustomerFact, behaviour: int = 0) -> ProfileStep | None:
        """The last step that comes of it."""
        context = Context("key", "", T + 30 * DAY, T + 90 * DAY, NOWHERE, behaviour=behaviour or self.behaviour)
        outcome = FOLD.on_record(self.state, fact, context)
        if outcome is None:
            return None
        self.state = outcome.state
        step: ProfileStep | None = outcome.steps[-1] if outcome.steps else None
        return step

    def place(self, version: int = 1, amount: int = 100, behaviour: int = 0, **more: Any) -> ProfileStep | None:
        order: dict[str, Any] = {"order_id": "o", "currency": "CNY", "at": T} | more
        return self.hear(OrderPlaced(id=self.name(), amount=amount, version=version, **order), behaviour)

    def cancel(self, version: int | None = None, behaviour: int = 0) -> ProfileStep | None:
        return self.hear(OrderCancelled(id=self.name(), at=T, order_id="o", version=version), behaviour)

    def refund(self, amount: int, version: int = 1, order: str = "o", at: int = T) -> ProfileStep | None:
        fact = OrderRefunded(
            id=self.name(), at=at, refund_id="r", amount=amount, currency="CNY", order_id=order, version=version
        )
        return self.hear(fact)

    def consent(self, at: int, *, granted: bool, granted_at: int | None = None, behaviour: int = 0) -> None:
        fact = ConsentSet(
            id=self.name(), at=at, channel="email", purpose="marketing", granted=granted, granted_at=granted_at
        )
        self.hear(fact, behaviour)

    def profile(self) -> Profile:
        outcome = FOLD.current(self.state, Context("key", "", 0, 0, NOWHERE))
        assert outcome is not None
        assert outcome.steps is not None
        found: Profile = outcome.steps[0].profile
        return found

    def name(self) -> str:
        """A new event id."""
        self.number += 1
        return f"e{self.number}"


# --- V3, V4: versions


def test_v3_place_and_cancel_of_one_version_is_cancelled_whichever_comes_first() -> None:
    for first, second in ((Told.place, Told.cancel), (Told.cancel, Told.place)):
        told = Told()
        first(told, 5)
        second(told, 5)
        assert told.profile().orders == 0


def test_v3_a_cancellation_without_a_version_stands_above_every_version() -> None:
    told = Told()
    told.cancel()
    assert told.place(9) is None
    assert told.cancel(10) is None


def test_v3_a_cancellation_of_an_older_version_takes_nothing_away_and_is_remembered() -> None:
    told = Told()
    told.place(5)
    told.cancel(3)
    assert told.profile().orders == 1
    assert told.cancel(3) is None


def test_v4_an_order_that_was_in_force_comes_back_as_a_correction() -> None:
    told = Told()
    told.place(1)
    told.cancel(2)
    back = told.place(3, amount=70)
    assert back is not None
    assert (back.cause, back.happened[0].status, back.profile.total) == ("correction", "revised", 70)


def test_v4_an_order_that_was_never_in_force_is_a_new_purchase() -> None:
    told = Told()
    told.cancel(2)
    assert told.place(1) is None
    new = told.place(3)
    assert new is not None
    assert (new.cause, new.happened[0].status) == ("event", "")


def test_v3_a_refund_of_a_higher_version_replaces_and_amount_0_takes_it_away() -> None:
    told = Told()
    told.place(amount=1000)
    totals = [told.refund(*one) and told.profile().total for one in ((90,), (75, 2), (90, 1), (0, 2), (80, 2), (60, 3))]
    assert totals == [910, 925, None, 1000, None, 940]


def test_v2_a_refund_told_with_and_without_its_order_counts_once_as_the_one_that_names_it() -> None:
    for first, second in (("o", ""), ("", "o")):
        told = Told()
        told.place(amount=1000)
        told.refund(90, order=first)
        told.refund(90, order=second)
        assert (told.profile().total, entries(told.state.returns)) == (910, [])


def test_a_refund_without_an_order_counts_at_its_earliest_instant_and_can_be_taken_away() -> None:
    told = Told()
    told.refund(90, order="", at=T + 5)
    told.refund(90, order="", at=T + 3)
    assert [one.at for one in entries(told.state.returns)] == [T + 3]
    told.refund(0, 2, order="")
    assert (told.profile().total, entries(told.state.returns)) == (0, [])


# --- V1, V6: contradictory orders, packed rows


def test_v1_of_one_version_the_earlier_then_the_larger_order_holds() -> None:
    told = Told()
    told.place(amount=700)
    revised = told.place(amount=1000)
    assert revised is not None
    assert (revised.cause, revised.happened[0].status, revised.profile.total) == ("correction", "revised", 1000)
    assert told.place(amount=5000, at=T + 1) is None
    assert told.place(amount=1000) is None


def test_v6_a_packed_order_from_before_equals_every_report_of_its_version_instant_and_amount() -> None:
    told = Told()
    told.place(shop_id="s1", behaviour=3)
    for number in range(4):
        told.place(order_id=f"p{number}", at=T + 1 + number, behaviour=3)
    assert told.state.orders.sealed is not None
    assert not told.state.orders.sealed.told
    before = told.profile()
    assert told.place(shop_id="s2") is None  # no step, but shop and content are taken over
    assert told.profile() == before
    assert [told.state.shops[one.shop - 1] for one in entries(told.state.orders) if one.shop] == ["s2"]
    assert told.place(shop_id="s1") is None
    assert told.place(shop_id="s3") is not None


# --- V7: a refusal holds


def test_v7_after_a_refusal_only_a_later_dated_grant_counts() -> None:
    told = Told()
    told.consent(T + 5, granted=False)
    told.consent(T + 10, granted=True)
    told.consent(T + 11, granted=True, granted_at=T + 4)
    assert told.profile().consents == {"email/marketing": Consent(False, T + 5)}
    told.consent(T + 12, granted=True, granted_at=T + 6)
    assert told.profile().consents == {"email/marketing": Consent(True, T + 6)}


def test_v7_no_grant_is_later_than_its_report() -> None:
    told = Told()
    told.consent(T + 5, granted=False)
    told.consent(T + 4, granted=True, granted_at=T + 9)
    assert not told.profile().consents["email/marketing"].granted


def test_v7_an_answer_from_before_counts_as_dated() -> None:
    told = Told()
    told.consent(T + 10, granted=True, behaviour=3)
    told.consent(T + 5, granted=False)
    assert told.profile().consents["email/marketing"] == Consent(True, T + 10)


def test_v7_an_erasure_refuses_everything_until_a_dated_grant() -> None:
    told = Told()
    told.place()
    told.hear(CustomerErased(id="x", at=T + 40 * DAY))
    for number in range(3):  # stored traits, sent again with every visit
        told.consent(T + 41 * DAY + number, granted=True)
    consents = told.profile().consents
    assert len(consents) == 8
    assert not any(one.granted for one in consents.values())
    told.consent(T + 42 * DAY, granted=True, granted_at=T + 42 * DAY)
    assert [name for name, one in told.profile().consents.items() if one.granted] == ["email/marketing"]


def test_v7_no_undated_word_on_all_or_on_tasks_lifts_an_erasure() -> None:
    told = Told()
    told.place()
    told.hear(CustomerErased(id="x", at=T + 40 * DAY))
    for channel in ("all", "staff_task"):
        for granted_at in (None, T + 39 * DAY):
            at = T + 41 * DAY
            told.hear(
                ConsentSet(
                    id=told.name(), at=at, channel=channel, purpose="marketing", granted=True, granted_at=granted_at
                )
            )
    assert not any(one.granted for one in told.profile().consents.values())
    at = T + 42 * DAY
    told.hear(ConsentSet(id=told.name(), at=at, channel="all", purpose="marketing", granted=True, granted_at=at))
    assert told.profile().consents["all/marketing"] == Consent(True, at)


def test_the_shops_of_erased_orders_go() -> None:
    told = Told()
    told.place(shop_id="gone")
    told.place(order_id="later", at=T + 20 * DAY, shop_id="kept")
    told.hear(CustomerErased(id="x", at=T + 10 * DAY))
    assert told.state.shops == ("kept",)
    assert [told.state.shops[one.shop - 1] for one in entries(told.state.orders)] == ["kept"]


# --- T6: browsed without an order


def test_t6_visible_time_counts_from_the_latest_order_in_force() -> None:
    told = Told()

    def view(second: int) -> int:
        step = told.hear(ProductViewed(id=told.name(), at=T + second * 1_000, product="tea"))
        assert step is not None
        return step.happened[0].after

    assert [view(second) for second in (0, 50, 100)] == [0, 50_000, 100_000]
    told.place(at=T + 110_000)
    assert [view(second) for second in (150, 200)] == [50_000, 100_000]
    told.place(at=T + 60_000, order_id="late")  # told late, of an instant before the latest order
    assert view(250) == 150_000
    told.cancel()
    assert view(300) == 250_000  # those after the order that is left


# --- F9: what came before


def test_f9_what_came_under_a_lower_number_stays_as_it_was_decided() -> None:
    told = Told(3)
    told.place(1)
    told.cancel(2)
    assert told.place(3) is None
    assert told.place(9, behaviour=4) is None


@pytest.mark.parametrize(("behaviour", "total"), [(3, 700), (4, 1000)])
def test_f9_a_merge_decides_the_whole_person_by_the_number_in_force(behaviour: int, total: int) -> None:
    weak, strong = Told(3), Told(3)
    for told, amount, order in ((weak, 1000, "o"), (strong, 700, "o")):
        told.place(amount=amount, order_id=order)
    _, fragment = FOLD.surrender(weak.state)
    context = Context("key", "weak", T + 30 * DAY, 0, NOWHERE, behaviour=behaviour)
    strong.state = FOLD.absorb(strong.state, fragment, context).state
    assert strong.profile().total == total
