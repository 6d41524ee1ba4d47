"""What one erasure leaves of a profile, what comes again afterwards, and that older states are read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.profile.fold import ProfileFold
from services.profile.state import State
from shared.contract.codec import encode
from shared.contract.facts import (
    ConsentSet,
    CustomerErased,
    OrderCancelled,
    OrderPlaced,
    OrderRefunded,
    PageViewed,
    TraitsSet,
)
from shared.contract.origin import NOWHERE
from shared.contract.topics import CONTACT_POINTS
from shared.engine.fold.fold import Context, Outcome
from shared.engine.step import steps
from shared.engine.step.partition import Partition
from shared.shop import DAY, Shop
from tests.support.world import Stored

T = 1_700_000_000_000
MINUTE = 60_000
FOLD = ProfileFold(Shop(), scenario=False)


def told(*facts: Any, state: State | None = None, clock: int = 0, alias: str = "key") -> Outcome[State]:
    state = State() if state is None else state
    outcome: Outcome[State] | None = None
    for fact in facts:
        outcome = FOLD.on_record(state, fact, Context("key", alias, clock, fact.at, NOWHERE)) or outcome
        state = state if outcome is None else outcome.state
    assert outcome is not None
    return outcome


def order(name: str, at: int = T) -> OrderPlaced:
    return OrderPlaced(id=f"e-{name}", at=at, order_id=name, amount=100, currency="CNY", contacts=("phone",))


EVERYTHING = (
    order("o"),
    OrderRefunded(id="r", at=T, refund_id="r", amount=3, currency="CNY", order_id="o"),
    OrderCancelled(id="c", at=T, order_id="c"),
    TraitsSet(id="t", at=T, traits={"guide": "g", "size": "L"}, contacts=("name",)),
    ConsentSet(id="y", at=T, channel="sms", purpose="marketing", granted=True),
)


def test_nothing_but_ids_and_the_instant_is_left() -> None:
    outcome = told(*EVERYTHING, CustomerErased(id="x", at=T + 1))

    assert outcome.state == State(now=T + 1, aliases=("key",), erased=T + 1)
    assert outcome.steps is not None
    assert (outcome.steps[-1].profile.orders, outcome.steps[-1].profile.erased) == (0, T + 1)
    assert [happened.what for happened in outcome.steps[-1].happened] == ["customer.erased"]
    assert {(output.topic, output.value) for output in outcome.outputs} == {(CONTACT_POINTS.name, None)}
    assert {output.key for output in outcome.outputs} >= {"key/phone", "key/name", "key/email"}


def test_what_was_told_from_a_clock_ahead_goes_as_well() -> None:
    assert not told(order("o", T + 4 * MINUTE), CustomerErased(id="x", at=T)).state.contacts
    assert told(order("o", T + 4 * MINUTE), CustomerErased(id="x", at=T)).state.erased == T + 4 * MINUTE


def test_what_happened_long_after_it_stays_where_the_erasure_came_late() -> None:
    state = told(*EVERYTHING, order("later", T + DAY), CustomerErased(id="x", at=T + 1)).state

    assert state.orders.ids == ("later",)
    assert (state.traits, state.others, state.consents) == ({}, {}, {})
    assert state.cancelled, "an order cancelled once stays cancelled"


@pytest.mark.parametrize("fact", [*EVERYTHING, CustomerErased(id="again", at=T), PageViewed(id="p", at=T)])
def test_an_erased_past_told_again_changes_nothing(fact: Any) -> None:
    erased = told(*EVERYTHING, CustomerErased(id="x", at=T + 1)).state
    again = FOLD.on_record(erased, fact, Context("key", "key", 0, T + DAY, NOWHERE))

    assert again is None or (again.state, again.steps) == (erased, None)
    keys = [] if again is None else [output.key for output in again.outputs]
    assert keys == [f"key/{field}" for field in fact.contacts]


def test_a_state_written_before_anybody_could_be_erased_is_read() -> None:
    state = told(*EVERYTHING).state
    body = msgspec.msgpack.encode(msgspec.to_builtins(state, builtin_types=(bytes,))[:-1])

    assert FOLD.upgrade(1, body) == state
    with pytest.raises(ValueError, match="version 3"):
        FOLD.upgrade(3, body)


def test_a_state_that_was_frozen_for_its_size_is_erased_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STATE_LIMIT", 200)
    core: Partition[State] = Partition(FOLD, partition=0, seal=lambda *_: "")
    facts = [*(order(f"o{number}") for number in range(12)), CustomerErased(id="x", at=T + 1)]
    for offset, fact in enumerate(facts):
        core.apply(Stored(offset, b"key", encode(fact), T))
    entry = core.memory.entry(b"key")

    assert core.counts.poison > 0, "it was never frozen"
    assert (entry.frozen, entry.state) == (False, State(now=T + 1, aliases=("key",), erased=T + 1))
