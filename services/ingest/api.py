"""The routes: Segment's shape under /v1, our typed API under /api/v1. Knows HTTP; decides nothing about events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import answer, error, per_item
from services.ingest.bodies import basic_user, read_body, traceparent
from services.ingest.gate import Gate
from services.ingest.intake import Intake, Outcome
from services.ingest.strict_json import JsonRefusedError, parse, parse_batch
from services.ingest.typed_api import typed_events
from services.ingest.typed_desk import Note, Result

SEGMENT_KINDS: Final = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}


def routes(intake: Intake, gate: Gate) -> APIRouter:
    """Every route of the service."""
    router = APIRouter()
    for path in ("batch", "b"):
        router.add_api_route(f"/v1/{path}", _segment_batch(intake, gate), methods=["POST"])
    for kind, short in SEGMENT_KINDS.items():
        for path in (kind, short):
            router.add_api_route(f"/v1/{path}", _segment_one(intake, gate, kind), methods=["POST"])
    router.add_api_route("/api/v1/events", typed_events(intake, gate), methods=["POST"])

    async def healthz(_: Request) -> Response:
        return answer(200, {"status": "alive"})

    async def readyz(_: Request) -> Response:
        return (
            answer(200, {"status": "ready"})
            if await intake.ready()
            else error(503, "not_ready", "the broker does not answer")
        )

    router.add_api_route("/healthz", healthz, methods=["GET"])
    router.add_api_route("/readyz", readyz, methods=["GET"])
    return router


Handler = Callable[[Request], Awaitable[Response]]


def _segment_batch(intake: Intake, gate: Gate) -> Handler:
    async def batch(request: Request) -> Response:
        raw = await read_body(request)
        body = parse_batch(raw, "batch")
        source = gate.live(basic_user(request) or body.envelope.get("writeKey"))
        outcomes = await intake.segment(body.items, source=source, raw=raw, traceparent=traceparent(request))
        return _segment_answer(request, outcomes)

    return batch


def _segment_one(intake: Intake, gate: Gate, kind: str) -> Handler:
    async def one(request: Request) -> Response:
        raw = await read_body(request)
        message = parse(raw)
        if not isinstance(message, dict):
            raise JsonRefusedError("$", "must be an object")
        source = gate.live(basic_user(request) or message.get("writeKey"))
        await intake.segment([message], source=source, raw=raw, kind=kind, traceparent=traceparent(request))
        return answer(200, {"success": True})

    return one


def _segment_answer(request: Request, outcomes: Sequence[Outcome]) -> Response:
    """What SDKs expect; per item for whoever asks for it as RFC 7240 has it (the console, when it sends an event again)."""
    if "return=representation" in request.headers.get("prefer", ""):
        return per_item([_result(outcome) for outcome in outcomes])
    return answer(200, {"success": True})


def _result(outcome: Outcome) -> Result:
    if outcome.refusal is None:
        return Result(outcome.id, "accepted")
    return Result(outcome.id, "rejected", Note(outcome.refusal.path, outcome.refusal.reason))
