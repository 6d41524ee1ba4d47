"""The routes about a person's will: erasure, and replies that refuse. Knows HTTP; decides nothing about events."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import answer, error
from services.ingest.bodies import bearer, read_body
from services.ingest.fields import EventRefusedError
from services.ingest.gate import Gate
from services.ingest.intake import Intake
from services.ingest.strict_json import parse
from services.ingest.write_keys import Scope

_SMALL: Final = 64 << 10
"""Bytes of a request about one person."""


def routes(intake: Intake, gate: Gate) -> APIRouter:
    """POST /api/v1/erasures (keys of scope erase) and /api/v1/replies (live)."""
    router = APIRouter()

    async def erasures(request: Request) -> Response:
        source = gate.admit(bearer(request), Scope.ERASE, events=1).name
        try:
            erasure = await intake.erase(parse(await read_body(request, _SMALL)), source=source)
        except EventRefusedError as refusal:
            return _refused(refusal)
        return answer(202, {"id": erasure.id, "status": "accepted", "at": erasure.at, "ids": len(erasure.facts)})

    async def replies(request: Request) -> Response:
        source = gate.admit(bearer(request), Scope.LIVE, events=1).name
        try:
            word = await intake.reply(parse(await read_body(request, _SMALL)), source=source)
        except EventRefusedError as refusal:
            return _refused(refusal)
        return answer(200, {"opt_out": bool(word)})

    router.add_api_route("/api/v1/erasures", erasures, methods=["POST"])
    router.add_api_route("/api/v1/replies", replies, methods=["POST"])
    return router


def _refused(refusal: EventRefusedError) -> Response:
    return error(422, "refused", refusal.reason, path=refusal.path, reason=refusal.reason)
