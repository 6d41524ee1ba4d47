"""The same seed draws the same faults; a run holds what was asked for."""

from __future__ import annotations

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.plan import Plan
from tests.chaos.schedule import brokers, length, schedule


def test_a_seed_draws_the_same_strikes_and_another_seed_others() -> None:
    first, again, other = (schedule(Plan(kills=40, seed=seed)) for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize("kills", [1, 20, 300])
def test_a_drawn_schedule_comes_to_exactly_so_many_kills(kills: int) -> None:
    assert sum(FAULTS[strike.fault].kills for strike in schedule(Plan(kills=kills))) == kills


def test_three_hundred_kills_hold_every_fault_that_one_broker_can_bear_and_fit_into_twenty_minutes() -> None:
    strikes = schedule(Plan(kills=300))

    assert {strike.fault for strike in strikes} == {name for name, fault in FAULTS.items() if fault.nodes == 1}
    assert length(strikes) < 18 * 60


def test_named_faults_strike_in_turn_until_the_kills_are_done() -> None:
    names = [strike.fault for strike in schedule(Plan(kills=3, faults=("stop", "kill")))]

    assert names == ["stop", "kill"] * 3


def test_named_faults_without_kills_strike_once() -> None:
    assert [strike.fault for strike in schedule(Plan(kills=0, faults=("poison", "hot")))] == ["poison", "hot"]


def test_an_unknown_fault_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="FAULT: earthquake unknown; there are kill, burst"):
        schedule(Plan(faults=("earthquake",)))


def test_a_fault_that_needs_three_brokers_gets_them() -> None:
    assert (brokers(Plan(faults=("kill", "three-brokers"))), brokers(Plan(faults=("kill",)))) == (3, 1)
