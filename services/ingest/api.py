"""The routes: Segment's shape under /v1, our typed API under /api/v1. Knows HTTP; decides nothing about events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.ingest import openapi, segment_api
from services.ingest.answers import answer, error
from services.ingest.bodies import READ_SECONDS
from services.ingest.brake import Brake
from services.ingest.gate import Gate
from services.ingest.intake import Intake
from services.ingest.segment_api import SegmentApi
from services.ingest.typed_api import typed_events

Handler = Callable[[Request], Awaitable[Response]]


class Terms(msgspec.Struct, frozen=True):
    """What an installation decides about its HTTP border."""

    public_url: str = ""
    """Where browsers reach us; "" for the address that they asked."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may read answers; none: pages of this machine."""
    body_seconds: float = READ_SECONDS
    """For each part of a body; three times that for the whole."""


def routes(intake: Intake, gate: Gate, terms: Terms, brake: Brake | None) -> list[BaseRoute]:
    """Every route of the service. Without a brake, on scenario stacks, history does not come over HTTP.

    They read requests by themselves, so they spare FastAPI's search for parameters.
    """
    calls = SegmentApi(intake, gate, brake=brake, public_url=terms.public_url, body_seconds=terms.body_seconds)
    posts: dict[str, Handler] = {f"/v1/{path}": calls.batch for path in segment_api.BATCHES}
    posts[f"/v1/{segment_api.IMPORT}"] = calls.history
    for kind, short in segment_api.KINDS.items():
        posts |= dict.fromkeys((f"/v1/{kind}", f"/v1/{short}"), _one(calls, kind))
    posts["/api/v1/events"] = typed_events(intake, gate, body_seconds=terms.body_seconds)
    gets: dict[str, Handler] = {segment_api.SETTINGS: calls.settings, "/healthz": _healthz, "/readyz": _readyz(intake)}
    gets[openapi.PATH] = _described
    return [
        *(Route(path, handler, methods=["POST"]) for path, handler in posts.items()),
        *(Route(path, handler, methods=["GET"]) for path, handler in gets.items()),
    ]


async def _described(_: Request) -> Response:
    return Response(openapi.served(), media_type="application/json")


async def _healthz(_: Request) -> Response:
    return answer(200, {"status": "alive"})


def _readyz(intake: Intake) -> Handler:
    async def readyz(_: Request) -> Response:
        return (
            answer(200, {"status": "ready"})
            if await intake.ready()
            else error(503, "not_ready", "the broker does not answer")
        )

    return readyz


def _one(calls: SegmentApi, kind: str) -> Handler:
    async def one(request: Request) -> Response:
        return await calls.one(request, kind)

    return one
