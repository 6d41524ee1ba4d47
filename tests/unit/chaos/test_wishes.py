"""What a person types becomes plans that can be run again by one command."""

from __future__ import annotations

import pytest

from tests.chaos.mutations import MUTATIONS
from tests.chaos.plan import SPOILED, Plan
from tests.chaos.wishes import plans


def test_without_wishes_there_is_one_run_of_the_default_plan() -> None:
    assert plans({}) == [Plan(reproduce="make chaos")]


def test_wishes_reach_the_plan_and_the_command_repeats_them() -> None:
    [plan] = plans(
        {"KILLS": "7", "SEED": "3", "FAULT": "kill, stop", "VICTIMS": "profile", "SPOILED": "1", "HOST": "faust"}
    )

    assert (plan.kills, plan.seed, plan.faults, plan.victims) == (7, 3, ("kill", "stop"), ("profile",))
    assert (plan.spoiled, dict(plan.env)) == (SPOILED, {"HUITOU_HOST": "faust"})
    assert plan.reproduce == "make chaos KILLS=7 FAULT='kill, stop' HOST=faust SEED=3 VICTIMS=profile SPOILED=1"


def test_all_mutations_are_one_run_each_and_reach_the_services() -> None:
    runs = plans({"MUTATION": "all", "HOST": "kafka"})

    assert [run.name for run in runs] == [f"without {name}" for name in MUTATIONS]
    assert all(run.mutation and run.off and dict(run.env) == {"HUITOU_HOST": "kafka"} for run in runs)
    assert runs[0].reproduce == "make chaos MUTATION=fence HOST=kafka"


def test_rules_of_the_engine_can_be_taken_out_by_their_own_names() -> None:
    [plan] = plans({"MUTATION": "MARKS+FENCE"})

    assert plan.off == ("MARKS", "FENCE")


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"KILLS": "many"}, "KILLS, SEED, CUSTOMERS, EVENTS or EVERY"),
        ({"MUTATION": "luck"}, "MUTATION: luck unknown"),
        ({"HOST": "beam"}, "HOST: 'beam' is unknown"),
        ({"VICTIMS": "ingest,kafka"}, "VICTIMS: kafka unknown"),
        ({"FAULT": "flood"}, "FAULT: flood unknown"),
    ],
)
def test_a_wrong_wish_is_refused_by_name(wish: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plans(wish)


def test_merges_are_a_wish() -> None:
    [plan] = plans({"KILLS": "20", "MERGES": "1"})

    assert (plan.kills, plan.merges, plan.reproduce) == (20, True, "make chaos KILLS=20 MERGES=1")
