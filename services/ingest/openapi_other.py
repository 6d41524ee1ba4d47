"""What the OpenAPI document says of a person's will and of sources that declare. Knows paths and what they take; serves nothing."""

from __future__ import annotations

from typing import Final

from services.ingest.openapi_answers import ERRORS
from services.ingest.openapi_schemas import Document
from services.ingest.vocabulary import AT

_ID: Final[Document] = {"type": "string", "pattern": "^[!-~]{1,128}$"}
_INSTANT: Final[Document] = {"type": "string", "format": "date-time"}
_CUSTOMER: Final[Document] = {"$ref": "#/components/schemas/Customer"}
_MEMBER: Final[Document] = {"member": "M0001"}


def other_paths() -> dict[str, Document]:
    """Path → its one call."""
    return {
        "/api/v1/erasures": _call(
            "erasePerson",
            "删除一个人的数据，需 erase 权限 / Forget a person; a key of scope erase",
            {"customer": _CUSTOMER, "id": _ID},
            required=["customer"],
            example={"customer": _MEMBER, "id": "erase-1"},
            status="202",
            answer={"id": "erase-1", "status": "accepted", "at": 1_760_000_000_000, "ids": 1},
        ),
        "/api/v1/replies": _call(
            "tellReply",
            "客户对消息的回复，只识别明确的退订词 / A reply to a message; only exact words refuse",
            {
                "id": _ID,
                "at": _INSTANT,
                "customer": _CUSTOMER,
                "channel": {"enum": ["sms", "email", "wecom"]},
                "text": {"type": "string", "maxLength": 2_000},
            },
            required=["id", "at", "customer", "channel", "text"],
            example={"id": "reply-1", "at": AT, "customer": _MEMBER, "channel": "sms", "text": "TD"},
            status="200",
            answer={"opt_out": True},
        ),
        "/api/v1/sources/complete": _call(
            "declareComplete",
            "来源声明：截至该时刻的事件已全部上报 / The key's source has told everything up to then",
            {"until": _INSTANT},
            required=["until"],
            example={"until": AT},
            status="200",
            answer={"source": "shop", "until": AT},
        ),
    }


def _call(
    name: str,
    summary: str,
    fields: dict[str, Document],
    *,
    required: list[str],
    example: Document,
    status: str,
    answer: Document,
) -> Document:
    body = {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
    done = {
        "description": "已受理 / Taken",
        "content": {"application/json": {"schema": {"type": "object"}, "examples": {"taken": {"value": answer}}}},
    }
    refused = {
        "description": "字段有误 / A field is refused",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {"refused": {"value": {"code": "refused", "message": "at: must be an instant"}}},
            }
        },
    }
    errors = {code: ERRORS[code] for code in ("400", "401", "403", "408", "413", "429", "503")}
    return {
        "post": {
            "operationId": name,
            "tags": ["typed"],
            "summary": summary,
            "security": [{"writeKey": []}],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": body, "examples": {"one": {"value": example}}}},
            },
            "responses": dict(sorted({status: done, "422": refused, **errors}.items())),
        }
    }
