"""The route behind a message's link: `/u/{token}`, one click as RFC 8058 has it. Knows HTTP and tokens; decides nothing about events."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from services.ingest import unsubscribe_page as page
from services.ingest.intake import Intake
from services.ingest.publisher import BrokerAwayError
from services.ingest.shelf import Bounds, Shelf
from shared.unsubscribing import read_token

BOUNDS: Final = Bounds(window_ms=1_000, weight=100_000)
"""Who presses twice within a second is on record once; nobody agrees anew in between."""
RETRY_SECONDS: Final = 5


def routes(intake: Intake, key: bytes) -> APIRouter:
    """GET asks, POST refuses; without a valid token both say nothing of anybody."""
    router, heard = APIRouter(), Shelf[str, bool](BOUNDS)

    async def ask(request: Request) -> HTMLResponse:
        about = read_token(request.path_params["token"], key)
        return _told(404, page.unknown()) if about is None else _told(200, page.question(about.channel, about.purpose))

    async def refuse(request: Request) -> HTMLResponse:
        token, now = request.path_params["token"], intake.now_ms()
        about = read_token(token, key)
        if about is None:
            return _told(404, page.unknown())
        if heard.get(token, now) is None:
            try:
                await intake.refuse(about)
            except BrokerAwayError:
                return _told(503, page.later(), {"Retry-After": str(RETRY_SECONDS)})
            heard.put(token, True, now)
        return _told(200, page.done(about.channel, about.purpose))

    router.add_api_route("/u/{token}", ask, methods=["GET", "HEAD"])
    router.add_api_route("/u/{token}", refuse, methods=["POST"])
    return router


def _told(status: int, body: str, headers: dict[str, str] | None = None) -> HTMLResponse:
    return HTMLResponse(body, status, headers=page.HEADERS | (headers or {}))
