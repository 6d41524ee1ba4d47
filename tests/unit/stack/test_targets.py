"""Every process of the product has a listener of its own, and Prometheus is told where."""

from __future__ import annotations

import json
from pathlib import Path

from deploy.stack.plan import PLAN, another
from deploy.stack.targets import Targets, port_names
from shared.telemetry.series import PROCESSES

STEPS = {step.name: step for step in PLAN}


def test_the_processes_with_metrics_are_those_of_the_table_of_series() -> None:
    assert set(port_names(STEPS)) == set(PROCESSES)


def test_each_process_is_told_its_own_port_and_the_file_names_them_all(tmp_path: Path) -> None:
    targets, names = Targets(tmp_path), port_names(STEPS)
    targets.add(STEPS, {port: 10_000 + number for number, port in enumerate(names.values())})
    told = {name: targets.env(name) for name in STEPS}
    found = json.loads(targets.file.read_bytes())

    assert told["sandbox"] == told["migrate"] == {}
    assert told["profile"] == {"HUITOU_METRICS_PORT": "10000"}
    assert len({each["HUITOU_METRICS_PORT"] for each in told.values() if each}) == len(PROCESSES)
    assert found[0] == {"targets": ["127.0.0.1:10000"], "labels": {"service": "profile", "process": "profile"}}
    assert [each["labels"]["process"] for each in found] == list(names)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_one_more_process_of_a_service_is_a_target_of_the_same_service(tmp_path: Path) -> None:
    targets, more = Targets(tmp_path), {"profile-2": another("profile")}
    targets.add({"profile": STEPS["profile"]}, {"profile metrics": 1})
    targets.add(more, {"profile-2 metrics": 2})

    assert targets.urls() == {"profile": "http://127.0.0.1:1", "profile-2": "http://127.0.0.1:2"}
    assert [each["labels"] for each in json.loads(targets.file.read_bytes())] == [
        {"service": "profile", "process": "profile"},
        {"service": "profile", "process": "profile-2"},
    ]
