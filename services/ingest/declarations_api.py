"""The route `POST /api/v1/sources/complete`. Knows HTTP; decides nothing."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import answer, error
from services.ingest.bodies import bearer, read_body
from services.ingest.declarations import Declarations
from services.ingest.fields import EventRefusedError
from services.ingest.gate import Gate
from services.ingest.strict_json import parse
from services.ingest.write_keys import Scope
from shared.instants import format_instant


def routes(declarations: Declarations, gate: Gate) -> APIRouter:
    """The one route: the source is the one that the write key stands for."""
    router = APIRouter()

    async def complete(request: Request) -> Response:
        source = gate.admit(bearer(request), Scope.LIVE, events=1).name
        try:
            declared = await declarations.take(parse(await read_body(request)), source=source)
        except EventRefusedError as refusal:
            return error(422, "unprocessable", str(refusal), path=refusal.path, reason=refusal.reason)
        return answer(200, {"source": declared.source, "until": format_instant(declared.until)})

    router.add_api_route("/api/v1/sources/complete", complete, methods=["POST"])
    return router
