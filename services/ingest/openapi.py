"""The HTTP API as an OpenAPI 3.1 document, in Chinese and English. Knows paths and what they take; serves nothing."""

from __future__ import annotations

import functools
from typing import Any, Final

import msgspec

from services.ingest.openapi_answers import ERRORS, SEGMENT, TYPED
from services.ingest.openapi_people import people
from services.ingest.openapi_schemas import Document, ref, schemas
from services.ingest.vocabulary import AT, LANGUAGES, entries

OPENAPI: Final = "3.1.0"
API_VERSION: Final = "1.0.0"
"""Of the HTTP API; it rises when callers must know."""
PATH: Final = "/openapi.json"
_ABOUT: Final = (
    "回头接收客户事件。成功的回答表示消息队列已确认全部记录；同一事件可以放心重发。\n\n"
    "Huitou takes what customers do. An answer of success means that the broker has every record; "
    "the same event may be sent again without harm. Bodies are JSON in UTF-8, plain or gzip, at most 1 MiB, nested at most 32 deep; "
    "the content type does not matter. Instants are RFC 3339 with an offset, in the years 2000 to 2100; "
    'amounts are numbers or texts such as "239.50", exact, never below zero, in the shop\'s currency. '
    "Every event type in both shapes: docs/vocabulary.md."
)
_SEGMENT_PATHS: Final = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}
_KEY_HEADER: Final[Document] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "十分钟内同键同正文得到同一回答；同键异正文得 409\n\n"
    "For ten minutes the same body gets the same answer, another body 409. A courtesy of one process.",
}

_KEY_IN_PATH: Final[Document] = {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}


def document() -> Document:
    """The whole document."""
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Huitou 回头",
            "version": API_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "typed", "description": "自有接口 / Our typed API"},
            {"name": "segment", "description": "兼容 Segment SDK / For Segment's and RudderStack's SDKs"},
            {"name": "service", "description": "运行状态 / State of the service"},
        ],
        "paths": {"/api/v1/events": {"post": _typed()}} | people() | _segment() | _service(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "writeKey": {"type": "http", "scheme": "bearer", "description": "写入密钥 / Write key"},
                "basicWriteKey": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "用户名为写入密钥，密码为空；也可用正文的 writeKey / The write key as user, no password; or `writeKey` in the body",
                },
            },
        },
    }


@functools.cache
def served() -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(document())


def _typed() -> Document:
    examples = {
        f"{entry.type}.{language}": {
            "summary": entry.title.zh if language == "zh" else entry.title.en,
            "value": entry.typed_example(language),
        }
        for entry in entries()
        for language in LANGUAGES
    }
    whole = [entry.typed_example(language) for entry in entries() for language in LANGUAGES]
    examples["batch"] = {"summary": "批量 / A batch", "value": {"events": whole}}
    return {
        "operationId": "sendEvents",
        "tags": ["typed"],
        "summary": "发送一个或多个事件 / Send one event or many",
        "description": "最多 500 个，每个都有结果；可整批重发。\n\nAt most 500, a result for each; the whole batch may be sent again.",
        "security": [{"writeKey": []}],
        "parameters": [_KEY_HEADER],
        "requestBody": _body({"oneOf": [ref("Event"), ref("Events")]}, examples),
        "responses": dict(sorted((TYPED | ERRORS).items())),
    }


def _segment() -> dict[str, Document]:
    messages = [message for entry in entries() for message in entry.segment_examples()]
    batch = {"all": {"summary": "批量 / A batch", "value": {"batch": messages, "sentAt": AT}}}
    history = {"history": {"summary": "历史 / History", "value": {"batch": messages[:1], "sentAt": AT}}}
    paths = {"/v1/batch": _segment_call("batch", "b", ref("SegmentBatch"), batch)}
    paths["/v1/import"] = _segment_call("import", "", ref("SegmentBatch"), history)
    for kind, short in _SEGMENT_PATHS.items():
        examples = {
            str(message["messageId"]): {"summary": message.get("event", kind), "value": message}
            for message in messages
            if message["type"] == kind
        }
        paths[f"/v1/{kind}"] = _segment_call(kind, short, ref("SegmentMessage"), examples)
    return paths


def _segment_call(name: str, short: str, schema: Document, examples: Document) -> Document:
    return {
        "post": {
            "operationId": f"segment{name.capitalize()}",
            "tags": ["segment"],
            "summary": f"Segment {name}"
            + (f"（也作 / also /v1/{short}）" if short else "：历史，不触发触达 / history, never fires"),
            "security": [{"basicWriteKey": []}, {}],
            "requestBody": _body(schema, examples),
            "responses": dict(sorted((SEGMENT | ERRORS).items())),
        }
    }


def _service() -> dict[str, Document]:
    def state(name: str, about: str, **more: Document) -> Document:
        answer = {"description": about, "content": {"application/json": {"schema": {"type": "object"}}}}
        return {
            "get": {"operationId": name, "tags": ["service"], "summary": about, "responses": {"200": answer} | more}
        }

    return {
        "/healthz": state("alive", "进程在运行 / The process runs"),
        "/readyz": state("ready", "消息队列有应答 / The broker answers", **{"503": ERRORS["503"]}),
        PATH: state("document", "本文档 / This document"),
        "/v1/projects/{key}/settings": {"parameters": [_KEY_IN_PATH]}
        | state("settings", "浏览器 SDK 的设置 / Settings of the browser SDK", **{"401": ERRORS["401"]}),
    }


def _body(schema: Document, examples: dict[str, Any]) -> Document:
    content: Document = {"schema": schema}
    return {"required": True, "content": {"application/json": content | ({"examples": examples} if examples else {})}}
