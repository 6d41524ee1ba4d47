"""What the HTTP API answers, with an example of each. Knows statuses and bodies; not paths or events."""

from __future__ import annotations

from typing import Any, Final

from services.ingest.openapi_schemas import Document, ref

_RETRY: Final[Document] = {
    "Retry-After": {
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "description": "秒 / Seconds.",
    }
}


def _answer(about: str, schema: Document, headers: Document | None = None, **examples: Any) -> Document:
    shown = {name: {"value": value} for name, value in examples.items()}
    found = {"description": about, "content": {"application/json": {"schema": schema, "examples": shown}}}
    return found | ({"headers": headers} if headers else {})


def _results(*results: Document) -> Document:
    statuses = ("accepted", "duplicate", "conflict", "rejected")
    counts = {status: sum(each["status"] == status for each in results) for status in statuses}
    return counts | {"results": list(results)}


_ACCEPTED: Final = {"id": "e1", "status": "accepted"}
_AHEAD: Final = {"path": "at", "reason": "lies more than 5 minutes ahead; the event counts as of its arrival"}
_REFUSED: Final = {
    "id": "e2",
    "status": "rejected",
    "error": {"path": "order_id", "reason": "expected `str`, got `int`"},
}
_CONFLICT: Final = {
    "id": "e1",
    "status": "conflict",
    "error": {"path": "id", "reason": "came with another content before; the first one counts"},
}


def _error(code: str, message: str, **more: str) -> Document:
    return {"code": code, "message": message} | more


ERRORS: Final[dict[str, Document]] = {
    "400": _answer(
        "正文无法读取，整个请求未存 / The body cannot be read; nothing is stored.",
        ref("Error"),
        not_json=_error(
            "bad_request",
            "$: not JSON at character 0: Expecting value",
            path="$",
            reason="not JSON at character 0: Expecting value",
        ),
        no_events=_error(
            "bad_request",
            "$.events: must hold 1 to 500 events",
            path="$.events",
            reason="must hold 1 to 500 events",
        ),
        bad_idempotency_key=_error(
            "bad_idempotency_key", "Idempotency-Key must have 1 to 255 visible ASCII characters"
        ),
    ),
    "401": _answer(
        "写入密钥缺失、未知或已撤销 / The write key is missing, unknown or revoked.",
        ref("Error"),
        {"WWW-Authenticate": {"schema": {"type": "string"}}},
        unauthorized=_error("unauthorized", "the write key is missing, unknown or revoked"),
    ),
    "403": _answer(
        "密钥没有所需权限 / The write key has not the scope: live, or import for /v1/import.",
        ref("Error"),
        forbidden=_error("forbidden", "the write key has not the scope live"),
    ),
    "408": _answer(
        "正文没有按时到达 / The body did not arrive in time.",
        ref("Error"),
        too_slow=_error("too_slow", "the body did not arrive in time"),
    ),
    "413": _answer(
        "正文（解压后）超过 1 MiB / The body, inflated too, is larger than 1 MiB.",
        ref("Error"),
        too_large=_error(
            "too_large",
            "$: body is larger than 1048576 bytes",
            path="$",
            reason="body is larger than 1048576 bytes",
        ),
    ),
    "429": _answer(
        "此密钥发送过快，稍后重发 / Too many events for this write key; send the same again later.",
        ref("Error"),
        _RETRY,
        rate_limited=_error("rate_limited", "too many events for this write key; send the same again after 1000 ms"),
    ),
    "503": _answer(
        "未存，请重发同一请求 / Not stored; send the same request again: ids make it harmless.",
        ref("Error"),
        _RETRY,
        unavailable=_error("unavailable", "not stored; send the same request again"),
    ),
}
"""Alike on every path."""

TYPED: Final[dict[str, Document]] = {
    "200": _answer(
        "全部已存（重复的此前已存） / Every event is stored, or was before.",
        ref("Results"),
        {
            "Idempotency-Replayed": {
                "schema": {"const": "true"},
                "description": "再次给出的回答 / An earlier answer once more.",
            }
        },
        accepted=_results(_ACCEPTED),
        duplicate=_results({"id": "e1", "status": "duplicate"}),
        ahead=_results(_ACCEPTED | {"warnings": [_AHEAD]}),
    ),
    "207": _answer(
        "部分已存 / Some events are stored.",
        ref("Results"),
        partly=_results(_ACCEPTED, _REFUSED),
    ),
    "409": _answer(
        "编号或 Idempotency-Key 曾用于其他内容 / Ids, or the Idempotency-Key, came with another content before.",
        {"oneOf": [ref("Results"), ref("Error")]},
        conflict=_results(_CONFLICT),
        key_reused=_error("idempotency_key_reused", "this Idempotency-Key came with another body before"),
    ),
    "422": _answer(
        "没有一个事件可以接受 / No event could be taken.",
        ref("Results"),
        rejected=_results(_REFUSED),
    ),
}

SEGMENT: Final[dict[str, Document]] = {
    "200": _answer(
        "已存；无法接受的事件进入 rejected-events-v1 / Stored; what cannot be taken is among the rejected events.",
        ref("Success"),
        stored={"success": True},
    )
}
