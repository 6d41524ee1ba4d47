"""The HTTP surface: JSON under /api/v1, the page and its fragments; knows where figures come from, not how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DBAPIError

from services.console import letters_api, letters_page
from services.console.figures import DecisionShown, Reading, per_channel
from services.console.guard import Guard
from services.console.lag import LagBoard
from services.console.letters_api import Letters
from services.console.pages import FRAGMENTS, Pages
from services.console.queries import MOST_DECISIONS
from services.console.texts import LANGUAGES, reason_text
from shared.instants import format_instant
from shared.log import Log
from shared.shop import Shop

LOG = Log(__name__)
STATIC: Final = Path(__file__).parent / "static"
FRESH: Final = {"Cache-Control": "no-store"}

Lang = Annotated[Literal["zh", "en"], Query()]
Limit = Annotated[int, Query(ge=1, le=MOST_DECISIONS)]


class Readings(Protocol):
    """Where figures come from."""

    async def reading(self) -> Reading:
        """What can be said now."""


class Boards(Protocol):
    """Where lags come from."""

    @property
    def board(self) -> LagBoard:
        """The latest look."""


def create_app(
    readings: Readings, lags: Boards, shop: Shop, *, names: frozenset[str] = frozenset(), letters: Letters | None = None
) -> FastAPI:
    """The application; `names` are host names allowed beside localhost."""
    # The documentation pages of the framework load scripts from elsewhere.
    app = FastAPI(title="Huitou console", docs_url=None, redoc_url=None)
    app.add_middleware(Guard, names=names)
    app.add_exception_handler(DBAPIError, _unavailable)
    app.add_exception_handler(OSError, _unavailable)
    _add_api(app, readings, lags, shop)
    _add_pages(app, readings, lags, Pages(shop))
    if letters is not None:
        app.include_router(letters_api.routes(letters))
        app.include_router(letters_page.routes(letters, shop))
    app.mount("/static", StaticFiles(directory=STATIC))
    return app


def _add_api(app: FastAPI, readings: Readings, lags: Boards, shop: Shop) -> None:
    @app.get("/api/v1/overview")
    async def overview() -> Response:
        """Customers by class and stage, totals, logical now."""
        reading = await readings.reading()
        return _json(
            {
                "logical_now": _written(reading.logical_now or None),
                **msgspec.structs.asdict(reading.population),
                "currency": shop.currency,
                "exponent": shop.exponent,
                "movements": reading.movements,
            }
        )

    @app.get("/api/v1/decisions")
    async def decisions(limit: Limit = 50) -> Response:
        """The latest decisions, latest first, and all decisions counted by verdict and reason."""
        reading = await readings.reading()
        counted = [
            {"verdict": verdict, "reason": reason, "decisions": number} for verdict, reason, number in reading.verdicts
        ]
        return _json({"latest": [_decision(each) for each in reading.decisions[:limit]], "counts": counted})

    @app.get("/api/v1/lag")
    async def lag() -> Response:
        """How far each consumer group is behind, in records and seconds."""
        return _json({"at": _written(lags.board.at or None), "groups": lags.board.groups})

    @app.get("/api/v1/throughput")
    async def throughput() -> Response:
        """Facts by type: in total and per second of late."""
        found = (await readings.reading()).throughput
        types = {kind: {"total": total, "per_second": rate} for kind, (total, rate) in found.types.items()}
        return _json(msgspec.structs.asdict(found) | {"types": types})

    @app.get("/api/v1/messages")
    async def messages() -> Response:
        """Messages per channel, and per channel and rule, by where they stand."""
        rows = (await readings.reading()).messages
        return _json({"channels": {row.channel: row for row in per_channel(rows)}, "rules": rows})


def _add_pages(app: FastAPI, readings: Readings, lags: Boards, pages: Pages) -> None:
    @app.get("/", response_class=HTMLResponse)
    async def page(lang: Lang = "zh") -> Response:
        """The live page."""
        return HTMLResponse(pages.page(await readings.reading(), lags.board, lang), headers=FRESH)

    @app.get("/fragments/{name}", response_class=HTMLResponse)
    async def fragment(name: str, lang: Lang = "zh") -> Response:
        """One part of the live page."""
        if name not in FRAGMENTS:
            raise HTTPException(404, f"name: must be one of {', '.join(FRAGMENTS)}")
        return HTMLResponse(pages.fragment(name, await readings.reading(), lags.board, lang), headers=FRESH)


def _decision(each: DecisionShown) -> dict[str, Any]:
    until = _written(each.until)
    return msgspec.structs.asdict(each) | {
        "until": until,
        "effective_at": _written(each.effective_at),
        "decided_at": _written(each.decided_at),
        "reason_text": {language: reason_text(language, each.reason, until) for language in LANGUAGES},
    }


def _written(ms: int | None) -> str | None:
    return None if ms is None else format_instant(ms)


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json", headers=FRESH)


async def _unavailable(_: Request, error: Exception) -> Response:
    LOG.warning("database does not answer", error=type(error).__name__)
    body = {"detail": "the database does not answer; the figures come back by themselves"}
    return Response(msgspec.json.encode(body), 503, media_type="application/json", headers=FRESH | {"Retry-After": "1"})
