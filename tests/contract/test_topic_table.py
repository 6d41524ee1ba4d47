"""The topic table against the code: each service writes and reads the topics that the table says, and no others.

Read from the syntax tree. A topic's constant is evidence of writing inside a call that makes or sends a record, of
reading where it names a subscription, a fold's input or the source of a record taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contract import topics
from shared.contract.topics import STATEFUL, TOPICS, Topic

ROOT = Path(__file__).parents[2]
CONSTANTS = {name: value.name for name, value in vars(topics).items() if isinstance(value, Topic)}
WRITING = frozenset(
    {"Broadcast", "Emit", "Output", "Publication", "_public", "_publication", "publish", "send", "send_and_wait"}
)
"""Calls that make or send a record of the topic that they name."""
READING = frozenset({"TopicPartition", "subscribe", "places"})
SERVICES = ("ingest", "profile", "segmenter", "trigger_engine", "notifier", "console")
REPLAYS = frozenset({"services/console/remedies.py"})
"""A letter goes back to the topic that it came from: every comparison with a letter's topic is a topic written."""
NOT_REPLAYED = {("console", "contact-points-v1"): "a sealed address is refused, with what to do instead"}
BY_COMMAND = {("ingest", "customer-events-v1"): "`services.ingest conflicts` lists the conflicts that stand there"}
FROM_AFAR = {
    ("profile", "dead-letters-v1"): "engine/state/outgoing.py buries poison of every stateful service",
    ("segmenter", "dead-letters-v1"): "engine/state/outgoing.py buries poison of every stateful service",
    ("trigger_engine", "dead-letters-v1"): "engine/state/outgoing.py buries poison of every stateful service",
    ("segmenter", "profile-updates-v1"): "fragments go to the service's own input (engine/identity/linking.py)",
    ("trigger_engine", "segment-updates-v1"): "fragments go to the service's own input (engine/identity/linking.py)",
    ("profile", "customer-events-v1"): "forwards and fragments go to the service's own input",
    ("ingest", "provider-receipts-v1"): "no door writes receipts yet",
}
"""Written outside the service's folder, or not yet."""


def uses(text: str, *, replays: bool = False) -> Iterator[tuple[str, str]]:
    """(topic name, "writes" or "reads") of every constant of a topic in a module."""
    tree = ast.parse(text)
    above = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node in ast.walk(tree):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in CONSTANTS:
            kind = _kind(node, above, replays=replays)
            if kind:
                yield CONSTANTS[name], kind


def _kind(node: ast.AST, above: dict[ast.AST, ast.AST], *, replays: bool) -> str:
    while node in above:
        child, node = node, above[node]
        if isinstance(node, ast.Call) and child is not node.func:
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in WRITING | READING:
                return "writes" if called in WRITING else "reads"
        if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(".topic"):
            return "writes" if replays else "reads"
        if isinstance(node, ast.Dict) and child in node.keys:
            return "writes" if replays else "reads"
        if isinstance(node, ast.Assign | ast.AnnAssign):
            return _assigned(node)
    return ""


def _assigned(node: ast.Assign | ast.AnnAssign) -> str:
    target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target).removeprefix("self.")
    first = target.strip("()").split(",")[0]
    return {"output": "writes", "topic": "writes", "input": "reads", "TOPICS": "reads"}.get(first, "")


def told(services: tuple[str, ...] = SERVICES) -> dict[str, dict[str, set[str]]]:
    """Service → "writes" and "reads" → names of topics, by its code."""
    found: dict[str, dict[str, set[str]]] = {service: {"writes": set(), "reads": set()} for service in services}
    for service in services:
        for file in sorted((ROOT / "services" / service).rglob("*.py")):
            replays = str(file.relative_to(ROOT)) in REPLAYS
            for topic, kind in uses(file.read_text(encoding="utf-8"), replays=replays):
                found[service][kind].add(topic)
    return found


def table(side: str) -> dict[str, set[str]]:
    """Service → topics that the table gives it on this side."""
    members = {service: set[str]() for service in SERVICES}
    for topic in TOPICS:
        for service in topic.producers if side == "writes" else topic.consumers:
            if service in members:
                members[service].add(topic.name)
    return members


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_writes_the_topics_of_the_table(service: str) -> None:
    afar = {topic for name, topic in FROM_AFAR if name == service}
    refused = {topic for name, topic in NOT_REPLAYED if name == service}
    assert (told((service,))[service]["writes"] | afar) - refused == table("writes")[service]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reads_the_topics_of_the_table(service: str) -> None:
    command = {topic for name, topic in BY_COMMAND if name == service}
    assert told((service,))[service]["reads"] - command == table("reads")[service]


def test_what_is_written_from_afar_is_not_written_nearby() -> None:
    near = told()
    assert {(service, topic) for service, topic in FROM_AFAR if topic in near[service]["writes"]} == set()
    assert {service for service, topic in FROM_AFAR if topic == "dead-letters-v1"} == set(STATEFUL)


def test_a_topic_that_the_table_does_not_name_is_seen() -> None:
    planted = "self.input = PROFILE_UPDATES.name\nasync def f(client):\n    await client.send(SEGMENTS.name, b'')\n"
    assert set(uses(planted)) == {("profile-updates-v1", "reads"), ("segments-v1", "writes")}
