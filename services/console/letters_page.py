"""The page of letters, and the part of it that refreshes: filter, counts by reason, list; it changes nothing and opens nothing."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from services.console import letter_store as store
from services.console import shown, texts
from services.console.letter_store import CursorError, Page, Search
from services.console.letters import STATES
from services.console.letters_api import FRESH, Letters, Stands, Text, searched
from services.console.pages import templates
from services.console.queries import shortened
from services.console.texts import LANGUAGES, Language
from shared.contract.topics import (
    CONTACT_POINTS,
    CUSTOMER_EVENTS,
    OUTREACH_COMMANDS,
    PROFILE_UPDATES,
    PROVIDER_RECEIPTS,
    REJECTED_EVENTS,
    SEGMENT_UPDATES,
)
from shared.instants import parse_zone
from shared.shop import Shop

ROWS: Final = 50
REASONS: Final = 12
CHOICES: Final = tuple(
    topic.name
    for topic in (
        REJECTED_EVENTS,
        CUSTOMER_EVENTS,
        PROFILE_UPDATES,
        SEGMENT_UPDATES,
        OUTREACH_COMMANDS,
        CONTACT_POINTS,
        PROVIDER_RECEIPTS,
    )
)
SERVICES: Final = ("ingest", "profile", "segmenter", "trigger_engine", "notifier")

Lang = Annotated[Literal["zh", "en"], Query()]


class LetterPages:
    """Renders; everything that comes from data is escaped, control characters are written out."""

    def __init__(self, shop: Shop) -> None:
        self._zone = parse_zone(shop.zone)
        self._environment = templates()
        self._environment.filters.update(
            grouped=shown.grouped,
            at=lambda ms: shown.day_and_second(ms, self._zone),
            printable=shown.printable,
            shortened=shortened,
        )

    def render(self, name: str, page: Page, wanted: Search, *, query: dict[str, str], language: Language) -> str:
        """`letters` is the whole page, `letters_list` the part of it that refreshes."""
        other = next(each for each in LANGUAGES if each != language)
        return self._environment.get_template(f"{name}.html").render(
            page=page,
            wanted=wanted,
            lang=language,
            other=other,
            topics=CHOICES,
            services=SERVICES,
            states=(*STATES, "all"),
            reasons=page.reasons[:REASONS],
            query=query,
            link=lambda **more: _link(query, language, more),
            t=lambda key: texts.text(language, key),
            named=lambda kind, value: texts.named(language, kind, value),
        )


def routes(letters: Letters, shop: Shop) -> APIRouter:
    """/letters and its list."""
    router, pages = APIRouter(), LetterPages(shop)

    async def answer(name: str, query: dict[str, str], language: Language) -> HTMLResponse:
        wanted = searched(**{key: value for key, value in query.items() if key != "after"})  # type: ignore[arg-type]
        async with letters.engine.connect() as connection:
            try:
                page = await store.search(connection, wanted, limit=ROWS, after=query["after"])
            except CursorError as error:
                raise HTTPException(422, str(error)) from None
        return HTMLResponse(pages.render(name, page, wanted, query=query, language=language), headers=FRESH)

    def route(path: str, name: str) -> None:
        @router.get(path, response_class=HTMLResponse, name=name)
        async def page(
            *,
            topic: Text = "",
            service: Text = "",
            reason: Text = "",
            source: Text = "",
            state: Stands = "open",
            since: Text = "",
            after: Text = "",
            lang: Lang = "zh",
        ) -> HTMLResponse:
            """Letters that match, latest first."""
            query = {
                "topic": topic,
                "service": service,
                "reason": reason,
                "source": source,
                "state": state,
                "since": since,
                "after": after,
            }
            return await answer(name, query, lang)

    route("/letters", "letters")
    route("/letters/list", "letters_list")
    return router


def _link(query: dict[str, str], language: Language, more: dict[str, Any]) -> str:
    """A query string: this search with other values, from its first page unless `after` is among them."""
    fields = query | {"after": "", "lang": language} | more
    return "?" + urlencode({name: value for name, value in fields.items() if value})
