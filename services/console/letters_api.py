"""Letters over HTTP: metadata for everybody who may see the console, contents and replays for operators; knows HTTP, decides nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from services.console import letter_store as store
from services.console import operators
from services.console.letter_desk import Desk, Replay, UnknownLetterError, UnsentError
from services.console.letter_store import CursorError, Search
from services.console.letters import State
from services.console.operators import OperatorsError
from services.console.queries import shortened
from services.console.remedies import NoRemedyError
from shared.instants import format_instant, parse_instant
from shared.sealing import SealingError

FRESH: Final = {"Cache-Control": "no-store"}
LARGEST_BODY: Final = 1 << 20
LONGEST: Final = 500

_T = TypeVar("_T")
Text = Annotated[str, Query(max_length=LONGEST)]
Limit = Annotated[int, Query(ge=1, le=store.MOST)]
Stands = Annotated[Literal["open", "replayed", "dismissed", "all"], Query()]


class Letters(NamedTuple):
    """What the routes work with."""

    engine: AsyncEngine
    desk: Desk
    operators_file: Path | None


class _Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    fixed: msgspec.Raw = msgspec.field(name="with", default=msgspec.Raw())
    customer: str = ""
    again: bool = False


class _Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: str = ""
    service: str = ""
    reason: str = ""
    source: str = ""
    since: str = ""
    dry_run: bool = True


class _Dismiss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: str


def routes(letters: Letters) -> APIRouter:
    """Every route below /api/v1/letters."""
    router = APIRouter(prefix="/api/v1/letters")
    _add_search(router, letters)
    _add_one(router, letters)
    _add_replays(router, letters)
    return router


def searched(  # noqa: PLR0917 (named by the query)
    topic: str, service: str, reason: str, source: str, state: State | Literal["all"], since: str
) -> Search:
    """The search of a query; HTTPException 422 names what is wrong."""
    return Search(topic=topic, service=service, reason=reason, source=source, state=state, since=_instant(since))


def _add_search(router: APIRouter, letters: Letters) -> None:
    @router.get("")
    async def search(
        *,
        topic: Text = "",
        service: Text = "",
        reason: Text = "",
        source: Text = "",
        state: Stands = "open",
        since: Text = "",
        after: Text = "",
        limit: Limit = 50,
    ) -> Response:
        """Latest first, with the whole search counted by reason; never the content."""
        wanted = searched(topic, service, reason, source, state, since)
        async with letters.engine.connect() as connection:
            try:
                page = await store.search(connection, wanted, limit=limit, after=after)
            except CursorError as error:
                raise HTTPException(422, str(error)) from None
        counts = [{"reason": reason, "letters": number} for reason, number in page.reasons]
        return _json(
            {
                "letters": [_shown(each) for each in page.letters],
                "total": page.total,
                "counts": counts,
                "after": page.after,
            }
        )


def _add_one(router: APIRouter, letters: Letters) -> None:
    @router.get("/{letter_id}")
    async def show(letter_id: str) -> Response:
        """One letter and what was done about it."""
        async with letters.engine.connect() as connection:
            found = await store.one(connection, letter_id)
            if found is None:
                raise HTTPException(404, "no letter has this id")
            told, state = found
            done = await store.history(connection, letter_id)
        fields = told._asdict() | {"state": state}
        return _json(_shown(msgspec.convert(fields, store.Found)) | {"history": [_done(each) for each in done]})

    @router.post("/{letter_id}/open")
    async def opened(letter_id: str, request: Request) -> Response:
        """The content; on record."""
        operator = _operator(letters, request)
        told, content = await _asked(letters.desk.opened(letter_id, operator))
        body = {"id": told.id, "customer": told.customer, "content": content.decode(errors="backslashreplace")}
        return _json(body)

    @router.post("/{letter_id}/dismiss")
    async def dismiss(letter_id: str, request: Request) -> Response:
        """Nothing is to be done about it."""
        operator = _operator(letters, request)
        given = await _body(request, _Dismiss)
        await _asked(letters.desk.dismiss(letter_id, operator, given.note))
        return _json({"id": letter_id, "state": "dismissed"})


def _add_replays(router: APIRouter, letters: Letters) -> None:
    @router.post("/{letter_id}/replay")
    async def replay(letter_id: str, request: Request) -> Response:
        """By the letter's remedy, as it was or with the body's `with` in its place."""
        operator = _operator(letters, request)
        given = await _body(request, _Replay)
        fixed = bytes(given.fixed) or None
        wish = Replay(fixed=fixed, customer=given.customer, again=given.again)
        return _json(await _asked(letters.desk.replay(letter_id, operator, wish)))

    @router.post("/replay")
    async def replay_all(request: Request) -> Response:
        """All open letters of a filter; only counted unless `dry_run` is false."""
        operator = _operator(letters, request)
        given = await _body(request, _Filter)
        wanted = searched(given.topic, given.service, given.reason, given.source, "open", given.since)
        if given.dry_run:
            return _json({"dry_run": True, "letters": await letters.desk.count(wanted)})
        return _json({"dry_run": False, "results": await _asked(letters.desk.replay_all(wanted, operator))})


def _operator(letters: Letters, request: Request) -> str:
    """The name of who asks; 403 where nobody may, 401 for a wrong secret."""
    if letters.operators_file is None:
        raise HTTPException(403, "letters are opened and replayed by command; HUITOU_OPERATORS_FILE is not set")
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    try:
        name = operators.check(letters.operators_file, presented.strip()) if scheme.lower() == "bearer" else None
    except OperatorsError as error:
        raise HTTPException(503, str(error)) from None
    if name is None:
        raise HTTPException(
            401, "Authorization: must be Bearer and an operator's secret", {"WWW-Authenticate": "Bearer"}
        )
    return name


async def _body(request: Request, shape: type[_T]) -> _T:
    """The JSON body in this shape; 413 or 422 name what is wrong."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise HTTPException(413, f"the body is larger than {LARGEST_BODY} bytes")
    try:
        return msgspec.json.decode(bytes(raw) or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(422, f"body: {type(error).__name__}: {error}") from None


async def _asked(answer: Awaitable[_T]) -> _T:
    """What the desk answers; its refusals as HTTP knows them."""
    try:
        return await answer
    except UnknownLetterError as error:
        raise HTTPException(404, str(error)) from None
    except (NoRemedyError, SealingError) as error:
        raise HTTPException(409, str(error)) from None
    except UnsentError as error:
        raise HTTPException(502, str(error)) from None


def _shown(found: store.Found) -> dict[str, Any]:
    instants: dict[str, Callable[[int], str]] = {"arrived": format_instant, "told_at": format_instant}
    fields = msgspec.structs.asdict(found)
    return (
        fields
        | {name: write(fields[name]) for name, write in instants.items()}
        | {"customer": shortened(found.customer)}
    )


def _done(each: store.Done) -> dict[str, Any]:
    return msgspec.structs.asdict(each) | {"at": format_instant(each.at)}


def _instant(text: str) -> int:
    try:
        return parse_instant(text) if text else 0
    except ValueError as error:
        raise HTTPException(422, f"since: {error}") from None


def _json(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json", headers=FRESH)
