"""HTTP answers and their bodies. Knows status codes; not events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response

from services.ingest.intake import Outcome

RETRY_AFTER_SECONDS: Final = 5
_JSON: Final = "application/json"


def answer(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(body), status, headers=headers, media_type=_JSON)


def error(status: int, code: str, message: str, **more: str) -> Response:
    """`{"code", "message", …}`; 401 and 503 carry the headers that clients need."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_AFTER_SECONDS)}}.get(status)
    return answer(status, {"code": code, "message": message} | more, headers)


def per_item(outcomes: Sequence[Outcome]) -> Response:
    """200 if all were accepted, 422 if none, else 207; the results stand in the order of the items."""
    results = [_result(outcome) for outcome in outcomes]
    refused = sum(outcome.refusal is not None for outcome in outcomes)
    status = 200 if not refused else 422 if refused == len(outcomes) else 207
    return answer(status, {"accepted": len(outcomes) - refused, "rejected": refused, "results": results})


def _result(outcome: Outcome) -> dict[str, Any]:
    if outcome.refusal is None:
        return {"id": outcome.id, "status": "accepted"}
    refusal = {"path": outcome.refusal.path, "reason": outcome.refusal.reason}
    return {"id": outcome.id, "status": "rejected", "error": refusal}
