"""From one event of our typed API to facts, a pure function. Knows the typed shapes; not HTTP, topics or seals."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.ingest.fields import EventRefusedError
from services.ingest.identifiers import Kind
from services.ingest.people import Desk, Named, Taken, person
from services.ingest.segment_tracks import level_facts
from services.ingest.typed_facts import Slip, fact_of
from services.ingest.typed_shapes import Placed, SurveyAnswered, Tracked, TraitsSet, TypedEvent
from services.ingest.wording import refused
from shared.contract.facts import Fact
from shared.instants import parse_instant

CUSTOMER_KINDS: Final = {  # in the order of Customer's fields
    "member": Kind.MEMBER,
    "unionid": Kind.UNIONID,
    "phone": Kind.PHONE,
    "email": Kind.EMAIL,
    "openid": Kind.OPENID,
    "external_userid": Kind.EXTERNAL_USERID,
    "anonymous": Kind.ANONYMOUS,
}


class _Given(msgspec.Struct, frozen=True):
    """The library prepares a struct once, but a bare union anew for every value: 14 µs against 1."""

    event: TypedEvent


def take(item: object, desk: Desk, *, source: str) -> Taken:
    """The facts of one event; EventRefusedError names the field."""
    try:
        event = msgspec.convert({"event": item}, _Given).event
    except msgspec.ValidationError as error:
        raise refused(str(error), "$.event") from None
    traits = event.traits if isinstance(event, TraitsSet) else {}
    given = zip(CUSTOMER_KINDS.items(), msgspec.structs.astuple(event.customer), strict=True)
    named = [Named(kind, f"customer.{name}", value) for (name, kind), value in given if value is not None]
    someone = person(named, traits, [_free(event)], desk.pepper)
    common = {"id": event.id, "at": _instant(event.at), "source": source, "contacts": someone.fields}
    return Taken(someone, (fact_of(event, Slip(desk, someone, common)), *_level(event, common)))


def _free(event: TypedEvent) -> dict[str, Any]:
    """Where contact data may be repeated."""
    if isinstance(event, SurveyAnswered):
        return {"answer": event.answer} if event.answer else {}
    return event.properties if isinstance(event, Tracked) else {}


def _level(event: TypedEvent, common: dict[str, Any]) -> list[Fact]:
    told = event.properties.get("member_level") if isinstance(event, Tracked) else ""
    level = event.member_level if isinstance(event, Placed) else told
    return level_facts(level, common) if isinstance(level, str) and level else []


def _instant(text: str) -> int:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise EventRefusedError("at", str(error)) from None
