"""From one message in Segment's shape to facts, a pure function. Knows its vocabulary; not HTTP, topics or seals."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from services.ingest.cutting import cut
from services.ingest.envelope import Envelope
from services.ingest.fields import Fields
from services.ingest.identifiers import Kind
from services.ingest.people import Desk, Named, Person, Taken, consent_facts, consents, kept_traits, person
from services.ingest.segment_tracks import fact_of, level_told, tracked
from services.ingest.sender_clock import instants
from shared.contract.codec import encode
from shared.contract.facts import Fact, PageViewed, TraitsSet
from shared.ids import derived_id, hash64

LONGEST_ID: Final = 128
KINDS: Final = ("track", "identify", "page", "screen", "group", "alias")
_PLUMBING: Final = ("channel", "version", "_metadata", "writeKey", "integrations")
"""What SDKs say about themselves and the transport."""


def take(message: object, desk: Desk, *, source: str, received_at: int, sent_at: object = None) -> Taken:
    """The facts of one message; EventRefusedError names the field. `sent_at`: of the request around it.

    Without `messageId` the id follows from the content; without `timestamp` it happened when it was received.
    """
    fields = Fields(message)
    kind = fields.text("type")
    if kind not in KINDS:
        raise fields.refuse("type", f"must be one of {', '.join(KINDS)}")
    event_id = fields.text("messageId", default="", longest=LONGEST_ID) or _content_id(message, source)
    told, at = instants(fields, sent_at=sent_at, received_at=received_at)
    fields.drop(*_PLUMBING)
    properties, traits, context = fields.section("properties"), fields.section("traits"), fields.section("context")
    context.drop("library")
    described = traits.rest() if kind == "identify" else _traits_of(context)
    free: list[object] = [properties.rest(), context.rest(), fields.rest()]
    someone = person(_named(kind, fields), described, free, desk.pepper)
    envelope = Envelope(desk, someone, event_id, at, source, told)
    facts = _facts(kind, envelope, fields, properties if kind != "identify" else traits)
    extra = fields.rest()
    for name, part in (("context", context), ("properties", properties), ("traits", traits)):
        if (left := part.rest()) and not (part is traits and kind == "identify"):
            extra[name] = left
    return Taken(someone, _with_extra(facts, extra, someone) if extra else tuple(facts))


def _named(kind: str, fields: Fields) -> list[Named]:
    """The ids that stand in the message itself."""
    named = []
    if (value := fields.raw("userId")[1]) is not None:
        named.append(Named(Kind.MEMBER, "userId", value))
    if (value := fields.raw("anonymousId")[1]) is not None:
        named.append(Named(Kind.ANONYMOUS, "anonymousId", value))
    if kind == "alias" and (value := fields.raw("previousId")[1]) is not None:
        named.append(Named(Kind.ANONYMOUS, "previousId", value))
    return named


def _content_id(message: object, source: str) -> str:
    """The same over retries: what changes with each attempt is left out."""
    content = {key: value for key, value in cast("dict[str, Any]", message).items() if key != "sentAt"}
    return derived_id("content", source, hash64(encode(content).decode()))


def _facts(kind: str, envelope: Envelope, fields: Fields, body: Fields) -> list[Fact]:
    if kind == "identify":
        return _identify(envelope, body)
    if kind in {"page", "screen"}:
        return [_page(envelope, fields, body)]
    if kind == "track":
        name = fields.text("event")
        level = level_told(body, envelope)
        return [fact_of(name, envelope, body), *level]
    return [tracked(kind, envelope, body)]


def _identify(envelope: Envelope, traits: Fields) -> list[Fact]:
    given = consents(traits.section("consents"))
    fact = TraitsSet(**envelope.common, traits=kept_traits(traits, envelope.person))
    return [fact, *consent_facts(given, fact)]


def _page(envelope: Envelope, fields: Fields, properties: Fields) -> Fact:
    name = fields.text("name", default="") or properties.text("name", default="")
    seen = cut({"title": name, "path": properties.text("path", default="", longest=2_000)}, envelope.person.known)
    return PageViewed(**envelope.common, name=seen.get("title", ""), path=seen.get("path", ""))


def _traits_of(context: Fields) -> dict[str, Any]:
    """The traits that some SDKs send along with every event."""
    traits = context.rest().get("traits")
    return traits if isinstance(traits, dict) else {}


def _with_extra(facts: list[Fact], extra: dict[str, Any], someone: Person) -> tuple[Fact, ...]:
    """The first fact carries what nobody asked for."""
    said = {key: value for key, value in extra.items() if value not in ({}, None)}
    kept = said and {key: value for key, value in cut(said, someone.known).items() if value not in ({}, None)}
    if kept:
        facts[0] = msgspec.structs.replace(facts[0], extra=kept)
    return tuple(facts)
