"""HTTP answers and their bodies. Knows status codes; not events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec
from starlette.responses import Response

from services.ingest.idempotency import Answer
from services.ingest.typed_desk import Result, Status

RETRY_AFTER_SECONDS: Final = 5
_JSON: Final = "application/json"


def answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(body), status, headers=headers, media_type=_JSON)


def error(status: int, code: str, message: str, *, retry_after: int = RETRY_AFTER_SECONDS, **more: str) -> Response:
    """`{"code", "message", …}`; 401, 429 and 503 carry the headers that clients need. `retry_after`: seconds."""
    again = {"Retry-After": str(retry_after)}
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: again, 503: again}.get(status)
    return answer(status, {"code": code, "message": message} | more, headers)


def replayed(earlier: Answer) -> Response:
    """An earlier answer once more."""
    return Response(earlier.body, earlier.status, headers={"Idempotency-Replayed": "true"}, media_type=_JSON)


def per_item(results: Sequence[Result]) -> Response:
    """200 if every event is stored, 207 if some are, else 409 (all of them conflicts) or 422; results in the events' order."""
    counts = {status: sum(result.status == status for result in results) for status in get_args(Status)}
    stored = counts["accepted"] + counts["duplicate"]
    refused = 409 if counts["conflict"] == len(results) else 422
    code = refused if not stored else 200 if stored == len(results) else 207
    return answer(code, counts | {"results": [_result(result) for result in results]})


def _result(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = {"id": result.id, "status": result.status}
    if result.error is not None:
        told["error"] = result.error._asdict()
    if result.warnings:
        told["warnings"] = [warning._asdict() for warning in result.warnings]
    return told
