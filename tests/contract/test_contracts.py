"""The published contract documents are those of the code, and the AsyncAPI document holds together; each guard is seen failing."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.contracts.documents import documents, publish, published
from deploy.contracts.schemas import DIALECT
from shared.contract.topics import TOPICS

Document = dict[str, Any]
COMMAND = "run: python -m deploy.contracts"
NOT_IN_DRAFT_07 = ("prefixItems", "$defs", "unevaluatedProperties", "dependentRequired")


def outdated(wanted: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """The first lines in which files differ from what the code says, missing and left-over files included."""
    said: list[str] = []
    for name in sorted(wanted.keys() | there.keys()):
        lines = difflib.unified_diff(
            there.get(name, "").splitlines(),
            wanted.get(name, "").splitlines(),
            f"docs/{name}",
            "the code",
            n=1,
            lineterm="",
        )
        said += list(lines)[:12]
    return said


def faults(document: Document) -> list[str]:
    """What is wrong with the structure of an AsyncAPI 3.0 document."""
    said = [] if document.get("asyncapi") == "3.0.0" else ["asyncapi is not 3.0.0"]
    said += [f"info.{name} is missing" for name in ("title", "version") if not document.get("info", {}).get(name)]
    for name, server in document.get("servers", {}).items():
        said += [f"servers.{name}.{part} is missing" for part in ("host", "protocol") if not server.get(part)]
    for path, ref in _refs(document):
        if _resolve(document, ref) is None:
            said.append(f"{path}: {ref} leads nowhere")
    for name, channel in document["channels"].items():
        said += [f"channels.{name}: {what}" for what in _channel_faults(channel)]
    for name, operation in document["operations"].items():
        said += [f"operations.{name}: {what}" for what in _operation_faults(operation, document)]
    words = set(_words(document["components"]["schemas"]))
    return said + [f"components.schemas: {word} is no word of draft 07" for word in NOT_IN_DRAFT_07 if word in words]


def _channel_faults(channel: Document) -> Iterator[str]:
    if not channel.get("address"):
        yield "no address"
    if not channel.get("messages"):
        yield "no messages"
    for name, message in channel.get("messages", {}).items():
        if message.get("name") != name:
            yield f"message {name} calls itself {message.get('name')}"
        if "payload" not in message and message.get("contentType") != "application/octet-stream":
            yield f"message {name} has no payload"
        if not message.get("bindings", {}).get("kafka", {}).get("key", {}).get("description"):
            yield f"message {name} does not describe its key"
    kafka = channel.get("bindings", {}).get("kafka", {})
    if not kafka.get("bindingVersion"):
        yield "no bindingVersion"
    if not (kafka.get("partitions", 0) > 0 and kafka.get("replicas", 0) > 0):
        yield "no partitions or replicas"
    policy = kafka.get("topicConfiguration", {}).get("cleanup.policy")
    if not isinstance(policy, list) or not set(policy) <= {"delete", "compact"}:
        yield "cleanup.policy is no list of delete and compact"


def _operation_faults(operation: Document, document: Document) -> Iterator[str]:
    if operation.get("action") not in {"send", "receive"}:
        yield "action is neither send nor receive"
    ref = operation.get("channel", {}).get("$ref", "")
    if ref.removeprefix("#/channels/") not in document["channels"]:
        yield "channel is none of the channels"


def _refs(node: Any, path: str = "#") -> Iterator[tuple[str, str]]:
    """Where a reference stands and what it says."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield path, node["$ref"]
        for name, value in node.items():
            yield from _refs(value, f"{path}/{name}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _refs(value, f"{path}/{number}")


def _resolve(document: Document, ref: str) -> Any:
    """What a reference within the document leads to, or None."""
    if not ref.startswith("#/"):
        return None
    node: Any = document
    for part in ref.removeprefix("#/").split("/"):
        node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node


def _words(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _words(value)


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return documents()


@pytest.fixture
def asyncapi(generated: dict[str, str]) -> Document:
    document: Document = json.loads(generated["asyncapi.json"])
    return document


def test_the_published_documents_are_those_of_the_code(generated: dict[str, str]) -> None:
    assert outdated(generated, published()) == [], COMMAND


def test_a_changed_a_missing_and_a_left_over_document_are_seen(generated: dict[str, str], tmp_path: Path) -> None:
    publish(generated, tmp_path)
    assert outdated(generated, published(tmp_path)) == []
    folder = tmp_path / "schemas"
    text = (folder / "segments-v1.schema.json").read_text()
    (folder / "segments-v1.schema.json").write_text(text.replace('"seq"', '"sequence"'))
    (folder / "policy.schema.json").unlink()
    (folder / "old-v1.schema.json").write_text("{}\n")
    said = outdated(generated, published(tmp_path))
    assert [line for line in said if line.startswith("--- ")] == [
        "--- docs/schemas/old-v1.schema.json",
        "--- docs/schemas/policy.schema.json",
        "--- docs/schemas/segments-v1.schema.json",
    ]
    publish(generated, tmp_path)
    assert published(tmp_path) == generated


def test_the_asyncapi_document_holds_together(asyncapi: Document) -> None:
    assert faults(asyncapi) == []


def test_the_asyncapi_document_says_what_the_table_says(asyncapi: Document) -> None:
    assert list(asyncapi["channels"]) == [topic.name for topic in TOPICS]
    edges = {
        (each["tags"][0]["name"], each["action"], each["channel"]["$ref"].removeprefix("#/channels/"))
        for each in asyncapi["operations"].values()
    }
    sends = {(service, "send", topic.name) for topic in TOPICS for service in topic.producers}
    receives = {(service, "receive", topic.name) for topic in TOPICS for service in topic.consumers}
    assert edges == sends | receives
    for topic in TOPICS:
        kafka = asyncapi["channels"][topic.name]["bindings"]["kafka"]
        assert kafka["partitions"] == topic.partitions
        assert {name: _as_broker_text(value) for name, value in kafka["topicConfiguration"].items()} == topic.config


def _as_broker_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.models], ids=lambda topic: topic.name)
def test_a_topic_schema_tells_its_records_apart(generated: dict[str, str], topic: Any) -> None:
    schema: Document = json.loads(generated[f"schemas/{topic.name}.schema.json"])
    assert schema["$schema"] == DIALECT
    assert [ref for _, ref in _refs(schema) if _resolve(schema, ref) is None] == []
    chosen = [_resolve(schema, each["$ref"]) for each in schema["oneOf"]]
    assert [each["properties"]["type"]["enum"] for each in chosen] == [
        [model.__struct_config__.tag] for model in topic.models
    ]
    assert all("type" in each["required"] for each in chosen)


def test_the_policy_schema_is_whole(generated: dict[str, str]) -> None:
    schema: Document = json.loads(generated["schemas/policy.schema.json"])
    assert schema["$schema"] == DIALECT
    assert [ref for _, ref in _refs(schema) if _resolve(schema, ref) is None] == []
    assert sorted(_resolve(schema, schema["$ref"])["required"]) == ["rules", "version"]


def _an_old_version(document: Document) -> None:
    document["asyncapi"] = "2.6.0"


def _no_version_of_its_own(document: Document) -> None:
    document["info"]["version"] = ""


def _a_lost_schema(document: Document) -> None:
    del document["components"]["schemas"]["SegmentSnapshot"]


def _a_channel_without_messages(document: Document) -> None:
    document["channels"]["segments-v1"]["messages"] = {}


def _a_message_without_payload(document: Document) -> None:
    del document["channels"]["segments-v1"]["messages"]["segment.snapshot"]["payload"]


def _a_binding_without_version(document: Document) -> None:
    del document["channels"]["segments-v1"]["bindings"]["kafka"]["bindingVersion"]


def _an_operation_on_a_server(document: Document) -> None:
    document["operations"]["segmenter-sends-segments-v1"]["channel"]["$ref"] = "#/servers/kafka"


def _a_tuple_of_2020(document: Document) -> None:
    document["components"]["schemas"]["Origin"]["prefixItems"] = []


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        (_an_old_version, "asyncapi is not 3.0.0"),
        (_no_version_of_its_own, "info.version is missing"),
        (
            _a_lost_schema,
            "#/channels/segments-v1/messages/segment.snapshot/payload: #/components/schemas/SegmentSnapshot leads nowhere",
        ),
        (_a_channel_without_messages, "channels.segments-v1: no messages"),
        (_a_message_without_payload, "channels.segments-v1: message segment.snapshot has no payload"),
        (_a_binding_without_version, "channels.segments-v1: no bindingVersion"),
        (_an_operation_on_a_server, "operations.segmenter-sends-segments-v1: channel is none of the channels"),
        (_a_tuple_of_2020, "components.schemas: prefixItems is no word of draft 07"),
    ],
)
def test_a_fault_planted_into_the_document_is_seen(
    asyncapi: Document, plant: Callable[[Document], None], fault: str
) -> None:
    planted = copy.deepcopy(asyncapi)
    plant(planted)
    assert faults(planted) == [fault]
