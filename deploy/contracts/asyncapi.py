"""The topic table as an AsyncAPI 3.0 document: who sends what to whom, and how the broker keeps it; writes no file."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from deploy.contracts.schemas import Document, draft_07_schemas, summary_of, tag_of
from deploy.create_topics import Settings
from shared.contract.facts import Fact
from shared.contract.topics import (
    CONTACT_POINTS,
    DEAD_LETTERS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    REJECTED_EVENTS,
    ROLL_KEY,
    ROLLED,
    SEGMENT_CHANGES,
    SEGMENTS,
    TOPICS,
    Service,
    Topic,
)

ASYNCAPI = "3.0.0"
KAFKA_BINDING = "0.5.0"
OPAQUE = "opaque"
"""Message of a topic without models."""
WITH_HEADERS = (
    CONTACT_POINTS,
    SEGMENT_CHANGES,
    SEGMENTS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    REJECTED_EVENTS,
    DEAD_LETTERS,
)
"""Topics on which every record carries CloudEvents headers; elsewhere only facts are sure to."""
ROLLING = (
    f"A null under the key `{ROLL_KEY.decode()}`, without headers and in every partition, only lets Kafka close a segment: "
    "like every null for a key that nobody holds it says nothing."
)
_HEADERS: Document = {
    "title": "CloudEventsHeaders",
    "description": "CloudEvents 1.0 in binary mode (Kafka binding), with the trace context where there is one.",
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {
            "type": "string",
            "minLength": 1,
            "description": "One id, one record: the same where the record is written again after a crash or a retry. "
            "A fact has the id that its sender gave it, unique per source.",
        },
        "ce_source": {"type": "string", "format": "uri-reference", "minLength": 1},
        "ce_type": {"type": "string", "pattern": r"^huitou\..+\.v1$"},
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"type": "string", "const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C Trace Context, passed on as it came."},
    },
}
_KAFKA_SERVER: Document = {
    "host": "{bootstrap}",
    "protocol": "kafka",
    "description": "The product's own broker, or any other of its kind.",
    "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "HUITOU_KAFKA: bootstrap servers."}},
}
_LISTS = frozenset({"cleanup.policy"})
"""Broker settings that the binding writes as lists."""


def asyncapi(version: str) -> Document:
    """The document of this version of the product."""
    models = [model for topic in TOPICS for model in topic.models]
    return {
        "asyncapi": ASYNCAPI,
        "id": "urn:huitou",
        "info": {
            "title": "Huitou",
            "version": version,
            "description": "Every topic of the product. Values are JSON; amounts are integers in minor units, instants "
            "integer milliseconds since 1970 UTC. Facts and public records carry CloudEvents headers.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": _KAFKA_SERVER},
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {name: each for topic in TOPICS for name, each in _operations(topic)},
        "components": {
            "schemas": {"CloudEventsHeaders": _HEADERS} | draft_07_schemas(models, "#/components/schemas/{name}")
        },
    }


def _channel(topic: Topic) -> Document:
    return {
        "address": topic.name,
        **({"description": ROLLING} if topic in ROLLED else {}),
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {tag_of(model): _message(topic, model) for model in topic.models} or {OPAQUE: _opaque(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replicas": Settings.model_fields["replication"].default,
                "topicConfiguration": {name: _setting(name, value) for name, value in topic.config.items()},
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _setting(name: str, value: str) -> str | int | float | list[str]:
    """A broker setting, which is always text, as the value it writes."""
    if name in _LISTS:
        return value.split(",")
    try:
        number: int | float = msgspec.json.decode(value, type=int | float)
    except msgspec.DecodeError:
        return value
    return number


def _message(topic: Topic, model: type[msgspec.Struct]) -> Document:
    carries = topic in WITH_HEADERS or issubclass(model, Fact)
    headers = {"headers": {"$ref": "#/components/schemas/CloudEventsHeaders"}} if carries else {}
    return {
        "name": tag_of(model),
        "title": model.__name__,
        "summary": summary_of(model),
        **headers,
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": _key(topic),
    }


def _opaque(topic: Topic) -> Document:
    return {
        "name": OPAQUE,
        "summary": "Bytes between the services that write and read them; no contract with anybody else.",
        "contentType": "application/octet-stream",
        "bindings": _key(topic),
    }


def _key(topic: Topic) -> Document:
    return {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": KAFKA_BINDING}}


def _operations(topic: Topic) -> Iterator[tuple[str, Document]]:
    """Name and operation of each service that sends to the topic or receives from it."""
    reasons = {edge.producer: f"Against the stream: {edge.reason}." for edge in topic.feedback}
    for service in topic.producers:
        yield (
            f"{service}-sends-{topic.name}",
            _operation("send", service, topic) | ({"description": reasons[service]} if service in reasons else {}),
        )
    for service in topic.consumers:
        yield f"{service}-receives-{topic.name}", _operation("receive", service, topic)


def _operation(action: str, service: Service, topic: Topic) -> Document:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "tags": [{"name": service}],
    }
