"""`POST /api/v1/events`: one event or many, a result for each, repeats answered alike. Knows HTTP; decides nothing about events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from services.ingest.answers import error, per_item, replayed
from services.ingest.bodies import READ_SECONDS, bearer, read_body, traceparent
from services.ingest.gate import Gate
from services.ingest.idempotency import Answer, Answers, Call, KeyMalformedError, KeyReusedError, call_of
from services.ingest.intake import Intake
from services.ingest.strict_json import JsonRefusedError, parse, parse_batch
from services.ingest.typed_desk import TypedDesk
from services.ingest.write_keys import Scope

MOST_EVENTS: Final = 500
IDEMPOTENCY_KEY: Final = "idempotency-key"


def typed_events(
    intake: Intake, gate: Gate, *, body_seconds: float = READ_SECONDS
) -> Callable[[Request], Awaitable[Response]]:
    """The handler, with the memory of this process."""
    desk, answers = TypedDesk(intake), Answers()

    async def events(request: Request) -> Response:
        key = bearer(request)
        gate.admit(key, Scope.LIVE)
        raw = await read_body(request, within=body_seconds)
        items = _items(raw)
        source = gate.admit(key, Scope.LIVE, events=len(items)).name
        try:
            call = _call(request, source, raw)
            earlier = None if call is None else answers.begin(call, intake.now_ms())
        except KeyMalformedError:
            return error(400, "bad_idempotency_key", "Idempotency-Key must have 1 to 255 visible ASCII characters")
        except KeyReusedError:
            return error(409, "idempotency_key_reused", "this Idempotency-Key came with another body before")
        if earlier is not None:
            return replayed(earlier)
        response = per_item(await desk.take(items, source=source, traceparent=traceparent(request)))
        if call is not None:
            answers.finish(call, Answer(response.status_code, bytes(response.body)), intake.now_ms())
        return response

    return events


def _call(request: Request, source: str, raw: bytes) -> Call | None:
    key = request.headers.get(IDEMPOTENCY_KEY)
    return None if key is None else call_of(source, key, raw)


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
