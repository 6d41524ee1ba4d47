"""The routes: Segment's shape under /v1, our typed API under /api/v1. Knows HTTP; decides nothing about events."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import answer, error, per_item
from services.ingest.bodies import basic_user, bearer, read_body
from services.ingest.gate import Gate
from services.ingest.intake import Intake
from services.ingest.strict_json import JsonRefusedError, parse, parse_batch

MOST_EVENTS: Final = 500
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
SEGMENT_KINDS: Final = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}


def routes(intake: Intake, gate: Gate) -> APIRouter:
    """Every route of the service."""
    router = APIRouter()
    for path in ("batch", "b"):
        router.add_api_route(f"/v1/{path}", _segment_batch(intake, gate), methods=["POST"])
    for kind, short in SEGMENT_KINDS.items():
        for path in (kind, short):
            router.add_api_route(f"/v1/{path}", _segment_one(intake, gate, kind), methods=["POST"])
    router.add_api_route("/api/v1/events", _typed(intake, gate), methods=["POST"])

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
        await intake.segment(body.items, source=source, raw=raw, traceparent=_traceparent(request))
        return answer(200, {"success": True})

    return batch


def _segment_one(intake: Intake, gate: Gate, kind: str) -> Handler:
    async def one(request: Request) -> Response:
        raw = await read_body(request)
        message = parse(raw)
        if not isinstance(message, dict):
            raise JsonRefusedError("$", "must be an object")
        source = gate.live(basic_user(request) or message.get("writeKey"))
        await intake.segment([message], source=source, raw=raw, kind=kind, traceparent=_traceparent(request))
        return answer(200, {"success": True})

    return one


def _typed(intake: Intake, gate: Gate) -> Handler:
    async def events(request: Request) -> Response:
        source = gate.live(bearer(request))
        items = _items(await read_body(request))
        return per_item(await intake.typed(items, source=source, traceparent=_traceparent(request)))

    return events


def _items(raw: bytes) -> list[object]:
    """The events of `{"events": […]}`, or the one event that the body is."""
    try:
        batch = parse_batch(raw, "events")
    except JsonRefusedError as refusal:
        if refusal.path != "$.events":
            raise
        single = parse(raw)
        if not isinstance(single, dict) or "events" in single:
            raise
        return [single]
    if batch.envelope:
        raise JsonRefusedError("$", "holds fields beside events")
    if not 1 <= len(batch.items) <= MOST_EVENTS:
        raise JsonRefusedError("$.events", f"must hold 1 to {MOST_EVENTS} events")
    return batch.items


def _traceparent(request: Request) -> str:
    """The trace context, if it is one."""
    given = request.headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else ""
