"""The typed API's calls beside events, as OpenAPI paths: erasure, replies, unlinking, declarations. Knows what they take; serves nothing."""

from __future__ import annotations

from typing import Any, Final

from services.ingest.openapi_answers import ERRORS
from services.ingest.openapi_schemas import Document, ref
from services.ingest.vocabulary import AT

_ID: Final[Document] = {"type": "string", "maxLength": 128}
_INSTANT: Final[Document] = {"type": "string", "format": "date-time"}
_WHO: Final = {"phone": "13912345678"}
_TEXT: Final[Document] = {"type": "string"}


def people() -> dict[str, Document]:
    """Path → its one call."""
    return {
        "/api/v1/erasures": _call(
            "eraseCustomer",
            "删除一个人 / Forget a person",
            _object(["customer"], customer=ref("Customer"), id=_ID, at=_INSTANT),
            {"customer": _WHO, "id": "e1", "at": AT},
            (
                "202",
                "已存 / Stored.",
                _object(["id", "status", "at", "ids"], **_ERASED),
                {"id": "e1", "status": "accepted", "at": 1_751_246_493_000, "ids": 2},
            ),
        ),
        "/api/v1/replies": _call(
            "sendReply",
            "客户的回复，可能是退订 / What a customer answered, perhaps a refusal",
            _object(["id", "at", "customer", "channel", "text"], **_REPLY),
            {"id": "r1", "at": AT, "customer": _WHO, "channel": "sms", "text": "TD"},
            (
                "200",
                "是否退订 / Whether it refuses.",
                _object(["opt_out"], opt_out={"type": "boolean"}),
                {"opt_out": True},
            ),
        ),
        "/api/v1/identity/unlink": _call(
            "unlinkIdentifier",
            "把一个标识从其客户拆分 / Split an identifier off from its person",
            {"oneOf": [_object(["customer"], customer=ref("Customer")), _object(["id"], id=_ID)]},
            {"customer": _WHO},
            ("202", "已存 / Stored.", _object(["id"], id=_ID), {"id": "e" + "0" * 32}),
        ),
        "/api/v1/sources/complete": _call(
            "completeSource",
            "该来源的事件已全部送达 / The key's source has told everything up to then",
            _object(["until"], until=_INSTANT),
            {"until": AT},
            (
                "200",
                "已存 / Stored.",
                _object(["source", "until"], source=_TEXT, until=_INSTANT),
                {"source": "shop", "until": AT},
            ),
        ),
    }


_ERASED: Final[Document] = {
    "id": _ID,
    "status": {"const": "accepted"},
    "at": {"type": "integer"},
    "ids": {"type": "integer", "minimum": 1},
}
_REPLY: Final[Document] = {"id": _ID, "at": _INSTANT, "customer": ref("Customer"), "channel": _TEXT, "text": _TEXT}


def _object(required: list[str], **properties: Any) -> Document:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _answer(about: str, schema: Document, example: object) -> Document:
    content = {"schema": schema, "examples": {"one": {"value": example}}}
    return {"description": about, "content": {"application/json": content}}


def _call(name: str, about: str, takes: Document, example: object, answer: tuple[str, str, Document, Any]) -> Document:
    status, meaning, gives, given = answer
    body = {"schema": takes, "examples": {"one": {"summary": about, "value": example}}}
    good = _answer(meaning, gives, given)
    refused = _answer(
        "内容无法接受 / It cannot be taken.", ref("Error"), {"code": "refused", "message": "identifies nobody"}
    )
    return {
        "post": {
            "operationId": name,
            "tags": ["typed"],
            "summary": about,
            "security": [{"writeKey": []}],
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": dict(sorted(({**ERRORS, "422": refused, status: good}).items())),
        }
    }
