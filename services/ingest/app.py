"""Builds the HTTP application from its parts. Knows how errors become answers; reads no environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import error
from services.ingest.api import Terms, routes
from services.ingest.bodies import BodyTooSlowError
from services.ingest.brake import Brake
from services.ingest.browser import Cors
from services.ingest.gate import Gate, KeyRefusedError, RateRefusedError, ScopeRefusedError
from services.ingest.intake import Intake
from services.ingest.publisher import BrokerAwayError
from services.ingest.strict_json import BodyTooLargeError, JsonRefusedError

Handle = Callable[[Request, Exception], Response]
STANDARD: Final = Terms()


def create_app(
    intake: Intake,
    gate: Gate,
    running: AbstractAsyncContextManager[object] | None = None,
    *,
    terms: Terms = STANDARD,
    brake: Brake | None = None,
    more: Sequence[APIRouter] = (),
) -> FastAPI:
    """The application; `running` is entered while it serves (the producer's connection).

    `brake`: see `routes`. `more`: routes beside those.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if running is None:
            yield
            return
        async with running:
            yield
        if brake is not None:
            await brake.close()

    app = FastAPI(
        routes=routes(intake, gate, terms, brake),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    for router in more:
        app.include_router(router)
    app.add_middleware(Cors, origins=terms.origins)
    for kind, handle in _HANDLERS.items():
        app.add_exception_handler(kind, handle)
    return app


def _refused(_: Request, raised: Exception) -> Response:
    assert isinstance(raised, JsonRefusedError)
    if isinstance(raised, BodyTooLargeError):
        return error(413, "too_large", str(raised), path=raised.path, reason=raised.reason)
    return error(400, "bad_request", str(raised), path=raised.path, reason=raised.reason)


def _http(_: Request, raised: Exception) -> Response:
    assert isinstance(raised, HTTPException)
    return error(raised.status_code, "http_error", raised.detail)


def _scope(_: Request, raised: Exception) -> Response:
    return error(403, "forbidden", str(raised))


def _rate(_: Request, raised: Exception) -> Response:
    assert isinstance(raised, RateRefusedError)
    return error(429, "rate_limited", str(raised), retry_after=-(-raised.wait_ms // 1_000))


def _fixed(status: int, code: str, message: str) -> Handle:
    def handle(_: Request, __: Exception) -> Response:
        return error(status, code, message)

    return handle


_HANDLERS: dict[type[Exception], Handle] = {
    JsonRefusedError: _refused,
    HTTPException: _http,
    KeyRefusedError: _fixed(401, "unauthorized", "the write key is missing, unknown or revoked"),
    ScopeRefusedError: _scope,
    RateRefusedError: _rate,
    BodyTooSlowError: _fixed(408, "too_slow", "the body did not arrive in time"),
    BrokerAwayError: _fixed(503, "unavailable", "not stored; send the same request again"),
}
