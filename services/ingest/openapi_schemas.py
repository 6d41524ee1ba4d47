"""The schemas of the HTTP API: events from the typed shapes with their explanations, messages of Segment's shape, answers. Knows no path."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.ingest.typed_shapes import TypedEvent
from services.ingest.vocabulary import LANGUAGES, Words, entries, fields

Document = dict[str, Any]
TEMPLATE: Final = "#/components/schemas/{name}"


def ref(name: str) -> Document:
    """A reference to a schema."""
    return {"$ref": TEMPLATE.format(name=name)}


def text(words: Words) -> str:
    """A description: Chinese, then English."""
    return f"{words.zh}\n\n{words.en}"


def schemas() -> dict[str, Document]:
    """Every schema by its name."""
    (event,), found = msgspec.json.schema_components([TypedEvent], ref_template=TEMPLATE)
    shapes = {name: _plain(schema) for name, schema in sorted(found.items())}
    for name, schema in shapes.items():
        _explain(name, schema)
    for entry in entries():
        shape = shapes[event["discriminator"]["mapping"][entry.type].rpartition("/")[2]]
        shape["title"] = entry.title.both
        shape["description"] = text(entry.about)
        shape["examples"] = [entry.typed_example(language) for language in LANGUAGES]
    shapes["Customer"]["minProperties"] = 1
    shapes["Event"] = {"oneOf": event["anyOf"], "discriminator": event["discriminator"]}
    return shapes | _AROUND


def _plain(node: Any) -> Any:
    r"""Patterns in the words of JSON Schema, whose regular expressions have no \Z."""
    if isinstance(node, dict):
        return {
            word: value.replace(r"\Z", "$") if word == "pattern" and isinstance(value, str) else _plain(value)
            for word, value in node.items()
        }
    return [_plain(each) for each in node] if isinstance(node, list) else node


def _explain(shape: str, schema: Document) -> None:
    known = fields()
    if shape in known:
        schema["description"] = text(known[shape])
    for name, field in schema["properties"].items():
        words = known.get(f"{shape}.{name}") or known[name]
        if "$ref" in field:
            schema["properties"][name] = {"allOf": [dict(field)], "description": text(words)}
        else:
            field["description"] = text(words)


_NOTE: Final[Document] = {
    "type": "object",
    "required": ["path", "reason"],
    "properties": {"path": {"type": "string"}, "reason": {"type": "string"}},
    "additionalProperties": False,
}
_COUNT: Final[Document] = {"type": "integer", "minimum": 0}
_AROUND: Final[dict[str, Document]] = {
    "Events": {
        "type": "object",
        "title": "批量 / A batch",
        "required": ["events"],
        "properties": {"events": {"type": "array", "minItems": 1, "maxItems": 500, "items": ref("Event")}},
        "additionalProperties": False,
    },
    "Note": _NOTE | {"description": "字段与说明\n\nA field and what is to be said about it."},
    "Result": {
        "type": "object",
        "required": ["id", "status"],
        "properties": {
            "id": {
                "type": ["string", "null"],
                "description": "事件编号；无法读出时为空\n\nThe event's id, null where none can be read.",
            },
            "status": {
                "enum": ["accepted", "duplicate", "conflict", "rejected"],
                "description": "已存、重复（已存过）、冲突（同编号不同内容，以先到为准）、拒收\n\n"
                "Stored; stored before; its id came with another content before and the first one counts; refused.",
            },
            "error": ref("Note"),
            "warnings": {"type": "array", "items": ref("Note")},
        },
        "additionalProperties": False,
    },
    "Results": {
        "type": "object",
        "description": "每个事件一个结果，顺序与请求相同；四个数之和等于事件数\n\n"
        "A result per event, in their order; the four counts add up to the number of events.",
        "required": ["accepted", "duplicate", "conflict", "rejected", "results"],
        "properties": dict.fromkeys(("accepted", "duplicate", "conflict", "rejected"), _COUNT)
        | {"results": {"type": "array", "items": ref("Result")}},
        "additionalProperties": False,
    },
    "Error": {
        "type": "object",
        "description": "整个请求未被接受\n\nThe request as a whole was not taken.",
        "required": ["code", "message"],
        "properties": {name: {"type": "string"} for name in ("code", "message", "path", "reason")},
        "additionalProperties": False,
    },
    "Success": {
        "type": "object",
        "required": ["success"],
        "properties": {"success": {"const": True}},
        "additionalProperties": False,
    },
    "SegmentMessage": {
        "type": "object",
        "description": "Segment 规范的消息；无法接受的事件进入 rejected-events-v1，其余不受影响\n\n"
        "A message of Segment's specification. One that cannot be taken goes to the rejected events and spoils no other.",
        "properties": {
            "type": {"enum": ["track", "identify", "page", "screen", "group", "alias"]},
            "messageId": {"type": "string", "maxLength": 128},
            "timestamp": {"type": "string", "format": "date-time"},
            "userId": {"type": "string"},
            "anonymousId": {"type": "string"},
            "event": {"type": "string"},
            "properties": {"type": "object"},
            "traits": {"type": "object"},
            "context": {"type": "object"},
        },
    },
    "SegmentBatch": {
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": {"type": "array", "maxItems": 1_000, "items": ref("SegmentMessage")},
            "writeKey": {"type": "string"},
            "sentAt": {"type": "string"},
        },
    },
}
