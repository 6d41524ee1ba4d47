"""Addresses stay where they were; the broker listens on this machine alone."""

from __future__ import annotations

import socket
from pathlib import Path

from deploy.stack import ports
from deploy.stack.kafka import settings


def properties(*, node: int, controllers: list[int]) -> dict[str, str]:
    text = settings(directory=Path("node"), node=node, broker_port=9000, controller_ports=controllers)
    return dict(line.split("=", 1) for line in text.splitlines())


def test_a_port_is_kept_over_restarts(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    before = ports.remembered(file, ["http", "console"])
    after = ports.remembered(file, ["console", "http"])

    assert before == after


def test_a_port_that_somebody_took_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    before = ports.remembered(file, ["http", "console"])
    with socket.socket() as somebody:
        somebody.bind((ports.HOST, before["http"]))
        somebody.listen()
        after = ports.remembered(file, ["http", "console"])

    assert after["http"] != before["http"]
    assert after["console"] == before["console"]


def test_the_broker_listens_on_loopback_and_creates_no_topic_by_itself() -> None:
    found = properties(node=1, controllers=[9001])

    assert found["listeners"] == "PLAINTEXT://127.0.0.1:9000,CONTROLLER://127.0.0.1:9001"
    assert found["auto.create.topics.enable"] == "false"
    assert found["offsets.topic.replication.factor"] == "1"


def test_three_nodes_keep_three_copies_and_vote_together() -> None:
    found = properties(node=2, controllers=[9001, 9002, 9003])

    assert found["controller.quorum.voters"] == "1@127.0.0.1:9001,2@127.0.0.1:9002,3@127.0.0.1:9003"
    assert (found["default.replication.factor"], found["min.insync.replicas"]) == ("3", "2")
