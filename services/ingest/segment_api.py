"""Segment's routes under /v1, as its public SDKs call them. Knows their requests and answers; not what a message means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, final

from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import answer, error, per_item
from services.ingest.bodies import basic_user, prefers, read_body, traceparent
from services.ingest.brake import Brake
from services.ingest.browser import settings_document
from services.ingest.gate import Gate
from services.ingest.intake import Intake, Outcome
from services.ingest.strict_json import JsonRefusedError, parse, parse_batch
from services.ingest.typed_desk import Note, Result
from services.ingest.write_keys import Scope

KINDS: Final = {"track": "t", "identify": "i", "page": "p", "screen": "s", "group": "g", "alias": "a"}
BATCHES: Final = ("batch", "b")
IMPORT: Final = "import"
SETTINGS: Final = "/v1/projects/{key}/settings"
PER_ITEM: Final = "return=representation"
RETRY_IMPORT_SECONDS: Final = 2
_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)


@final
class SegmentApi:
    """The handlers; `public_url` is where browsers reach us, "" for the address that they asked."""

    def __init__(
        self, intake: Intake, gate: Gate, *, brake: Brake | None, public_url: str, body_seconds: float
    ) -> None:
        self._intake, self._gate, self._brake = intake, gate, brake
        self._public_url, self._body_seconds = public_url, body_seconds

    async def batch(self, request: Request) -> Response:
        """Live events: all stored or none, a bad one of them aside."""
        return await self._batch(request, Scope.LIVE)

    async def history(self, request: Request) -> Response:
        """History in Segment's bulk form: changes the picture, never fires, and waits for live events."""
        return await self._batch(request, Scope.IMPORT)

    async def one(self, request: Request, kind: str) -> Response:
        """A single call; the path names its type."""
        raw = await self._body(request, Scope.LIVE)
        message = parse(raw)
        if not isinstance(message, dict):
            raise JsonRefusedError("$", "must be an object")
        source = self._gate.admit(basic_user(request) or message.get("writeKey"), Scope.LIVE, events=1)
        trace = traceparent(request)
        items: list[object] = [message]
        outcomes = await self._intake.segment(items, source=source.name, raw=raw, kind=kind, traceparent=trace)
        return _answer(request, outcomes)

    async def settings(self, request: Request) -> Response:
        """What the browser SDK loads from its `cdnURL` before it sends anything."""
        key = request.path_params["key"]
        self._gate.admit(key, Scope.LIVE)
        url = self._public_url or _asked(request)
        if not url:
            return error(400, "bad_request", "the header Host must be a host name")
        return answer(200, settings_document(key, url), {"Cache-Control": "private, max-age=60"})

    async def _batch(self, request: Request, scope: Scope) -> Response:
        raw = await self._body(request, scope)
        body = parse_batch(raw, "batch")
        key = basic_user(request) or body.envelope.get("writeKey")
        if scope is Scope.IMPORT:
            self._gate.admit(key, scope)
            if (refusal := await self._must_wait()) is not None:
                return refusal
        # Also who was looked at before: his key may have been revoked while the body came.
        source = self._gate.admit(key, scope, events=max(1, len(body.items)))
        outcomes = await self._intake.segment(
            body.items,
            source=source.name,
            raw=raw,
            sent_at=body.envelope.get("sentAt"),
            history=scope is Scope.IMPORT,
            keep_refused=not (prefers(request, PER_ITEM) and prefers(request, "handling=strict")),
            traceparent=traceparent(request),
        )
        return _answer(request, outcomes)

    async def _body(self, request: Request, scope: Scope) -> bytes:
        """The body; whoever names a key in the header is looked at first."""
        if key := basic_user(request):
            self._gate.admit(key, scope)
        return await read_body(request, within=self._body_seconds)

    async def _must_wait(self) -> Response | None:
        if self._brake is None:
            return error(409, "scenario", "time comes with the data here: use the import command with --baseline")
        if await self._brake.pulled():
            return error(429, "busy", "live events go first; send the same again", retry_after=RETRY_IMPORT_SECONDS)
        return None


def _asked(request: Request) -> str:
    """The address that the request was sent to; "" if its Host is no host name."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}" if _HOST.fullmatch(host) else ""


def _answer(request: Request, outcomes: Sequence[Outcome]) -> Response:
    """What SDKs expect; per item for whoever asks for it (the console, when it sends an event again)."""
    if prefers(request, PER_ITEM):
        return per_item([_result(outcome) for outcome in outcomes])
    return answer(200, {"success": True})


def _result(outcome: Outcome) -> Result:
    if outcome.refusal is None:
        return Result(outcome.id, "accepted")
    return Result(outcome.id, "rejected", Note(outcome.refusal.path, outcome.refusal.reason))
