"""The order of things is data."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from deploy.stack.plan import ALL, PLAN, Entry, PlanError, another, chosen
from deploy.stack.stack import Stack


def test_services_start_in_the_order_of_the_plan_whatever_order_they_are_asked_for() -> None:
    assert [step.name for step in chosen(("clock", "profile"))] == ["profile", "clock"]


def test_the_schema_is_migrated_before_a_service_that_needs_it() -> None:
    assert [step.name for step in chosen(("notifier",))] == ["migrate", "notifier"]


def test_nothing_is_migrated_where_nobody_needs_it() -> None:
    assert [step.name for step in chosen(("profile",))] == ["profile"]


def test_an_unknown_service_is_refused_by_name() -> None:
    with pytest.raises(PlanError, match="services: profil unknown; there are migrate, sandbox"):
        chosen(("profil",))


def test_names_are_unique_and_time_starts_last() -> None:
    assert len(set(ALL)) == len(ALL)
    assert ALL[-1] == "clock"


@pytest.mark.parametrize("module", sorted({step.module for step in PLAN}))
def test_each_step_names_a_module_that_can_be_run(module: str) -> None:
    assert importlib.util.find_spec(f"{module}.__main__") is not None


def test_workers_of_a_group_may_run_several_times_and_nobody_else() -> None:
    assert another("profile").module == "services.profile"
    with pytest.raises(PlanError, match="services: ingest runs once; several may be of profile, segmenter"):
        another("ingest")


def test_another_program_runs_in_the_place_of_a_service_and_of_its_further_workers(tmp_path: Path) -> None:
    stack = Stack(directory=tmp_path, entry={"profile": Entry(module="tests.other", arguments=("profile", "--more"))})

    first, later, beside = (
        stack._service(another(name), process, {}).argv[1:]
        for name, process in (("profile", "profile"), ("profile", "profile-2"), ("segmenter", "segmenter"))
    )

    assert first == later == ("-m", "tests.other", "profile", "--more")
    assert beside == ("-m", "services.segmenter")


def test_another_program_for_an_unknown_service_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="entry: profil unknown"):
        Stack(directory=tmp_path, entry={"profil": Entry(module="tests.other")})
