"""A guard's absence is noticed only by what that guard prevents."""

from __future__ import annotations

import msgspec
import pytest

from tests.chaos.mutations import MUTATIONS, mutated, survived
from tests.chaos.run import Run

RUN = Run(
    name="",
    reproduce="",
    seed=1,
    ok=False,
    red=(),
    seconds=0,
    kills=(),
    with_lag=0,
    acts=(),
    faults={},
    recoveries=(),
    restarts={},
    sent_again={},
    workload={},
    accounts=(),
    verdict=None,
)


def with_red(*red: str) -> Run:
    return msgspec.structs.replace(RUN, ok=not red, red=red)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_run_without_differences_is_a_mutation_that_survived(name: str) -> None:
    assert survived(mutated(name), with_red())
    assert not survived(mutated(name), with_red(MUTATIONS[name].shows[0]))


def test_a_chain_that_is_only_slow_proves_nothing_about_the_ledger() -> None:
    assert survived(mutated("ledger"), with_red("no rest: the chain did not come to rest within 45 s"))
    assert not survived(mutated("ledger"), with_red("P sends: 3 of 30"))


def test_of_a_single_rule_anything_red_counts() -> None:
    assert survived(mutated("MARKS"), with_red())
    assert not survived(mutated("MARKS"), with_red("cuts at their epochs: 1 of 4"))
