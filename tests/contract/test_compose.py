"""docker-compose.yml runs what the plan runs, listens on this machine alone and brings no secret along."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.stack.environment import PORTS, Addresses, environment
from deploy.stack.kafka import settings
from deploy.stack.keys import ensure
from deploy.stack.plan import PLAN
from deploy.stack.targets import PORT
from shared.telemetry.series import PROCESSES

ROOT = Path(__file__).parents[2]
OURS = {"kafka", "postgres", "topics"}
"""What the embedded stack does by itself."""
INSIDE_CONTAINERS = {"HUITOU_HTTP_HOST", "HUITOU_CONSOLE_HOST", "HUITOU_METRICS_HOST"}
"""A container's own loopback would be out of everybody's reach."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def test_every_process_of_the_plan_runs_with_the_same_module_and_arguments(compose: dict[str, Any]) -> None:
    planned = {step.name: [step.module, *step.arguments] for step in PLAN}
    composed = {name: each["command"] for name, each in compose["services"].items() if name not in OURS}

    assert composed == planned


def test_every_port_is_bound_to_this_machine(compose: dict[str, Any]) -> None:
    bound = [port for each in compose["services"].values() for port in each.get("ports", [])]

    assert bound
    assert all(port.startswith("127.0.0.1:") for port in bound)


def test_services_are_told_the_same_as_in_the_embedded_stack(compose: dict[str, Any], tmp_path: Path) -> None:
    told = {key for each in compose["services"].values() for key in each["environment"] if key.startswith("HUITOU_")}
    addresses = Addresses(kafka="", database_url="", ports=dict.fromkeys(PORTS, 0))
    embedded = set(environment(tmp_path, addresses=addresses, secrets=ensure(tmp_path / "secrets"), scenario=False))

    assert told == embedded | INSIDE_CONTAINERS | {PORT}


def test_every_process_answers_for_its_health_at_a_port_that_is_not_published(compose: dict[str, Any]) -> None:
    port = compose["x-service"]["environment"][PORT]
    published = [each.rpartition(":")[2] for one in compose["services"].values() for each in one.get("ports", [])]
    told = {name for name, each in compose["services"].items() if PORT in each["environment"]}

    assert told >= set(PROCESSES)
    assert port not in published
    assert port not in {value for key, value in compose["x-service"]["environment"].items() if key != PORT}


def test_no_secret_has_a_default(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    with_default = set(re.findall(r"\$\{(\w+):?-", text))
    passwords = [
        value
        for each in compose["services"].values()
        for key, value in each["environment"].items()
        if "PASSWORD" in key or "URL" in key
    ]

    assert with_default <= {"HUITOU_CLUSTER_ID"}
    assert all("${" in value for value in passwords if "@" in value or "PASSWORD" in value)
    assert all("${HUITOU_SECRETS:?" in each["file"] for each in compose["secrets"].values())


def test_the_containers_broker_has_the_settings_of_the_embedded_one(compose: dict[str, Any]) -> None:
    here = dict(
        line.split("=", 1)
        for line in settings(directory=Path(), node=1, broker_port=1, controller_ports=[2]).splitlines()
    )
    there = {
        key.removeprefix("KAFKA_").lower().replace("_", "."): value
        for key, value in compose["services"]["kafka"]["environment"].items()
        if key.startswith("KAFKA_") and key != "KAFKA_HEAP_OPTS"
    }
    places = {"listeners", "advertised.listeners", "log.dirs", "controller.quorum.voters"}

    assert {key: there[key] for key in there if key not in places} == {
        key: here[key] for key in there if key not in places
    }


def test_the_image_holds_what_the_processes_import() -> None:
    copied = re.findall(
        r"^COPY (\w+) \./\1$", (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )

    assert {step.module.split(".")[0] for step in PLAN} | {"shared"} == set(copied)
