"""From the identifiers and traits of one event to its customer. Knows identifiers; not topics, HTTP or seals."""

from __future__ import annotations

import functools
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec

from services.ingest.cutting import NOTHING, Known, cut, known
from services.ingest.fields import EventRefusedError, Fields, as_text
from services.ingest.identifiers import (
    CONTACT_KINDS,
    Contact,
    Identified,
    Identifier,
    IdentifierRefusedError,
    Kind,
    Pepper,
    identify,
)
from shared.contract.facts import ConsentSet, Fact
from shared.ids import is_protected
from shared.instants import parse_instant
from shared.shop import Shop

CHANNELS: Final = ("sms", "email", "wecom", "staff_task", "all")
PURPOSES: Final = ("marketing", "service")
_TRAITS: Final = {
    "phone": Kind.PHONE,
    "mobile": Kind.PHONE,
    "email": Kind.EMAIL,
    "openid": Kind.OPENID,
    "open_id": Kind.OPENID,
    "unionid": Kind.UNIONID,
    "union_id": Kind.UNIONID,
    "external_userid": Kind.EXTERNAL_USERID,
    "externalUserId": Kind.EXTERNAL_USERID,
}
"""Traits that identify. Other spellings (receiver_phone) may be somebody else's: they are cut, no more."""
_REACHABLE: Final = frozenset(CONTACT_KINDS)
_LEAP_YEAR: Final = "2000"
DOUBT_MS: Final = 5 * 60_000
"""As far as a clock may be wrong unnoticed (docs/semantics.md §1.4)."""


class Desk(msgspec.Struct, frozen=True):
    """What is the same for every event."""

    shop: Shop
    pepper: Pepper


class Person(msgspec.Struct, frozen=True):
    """Whom an event is about, and what must not travel in clear."""

    customer: str
    contacts: tuple[Contact, ...]
    known: Known
    aliases: tuple[str, ...] = ()
    """The weaker ids that the event named beside the customer, strongest first; no other member number's."""
    rivals: tuple[str, ...] = ()
    """Ids of other member numbers that the event named: they stay apart."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the contact fields."""
        return tuple([contact.field for contact in self.contacts]) if self.contacts else ()


class Taken(msgspec.Struct, frozen=True):
    """What one accepted event becomes."""

    person: Person
    facts: tuple[Fact, ...]


class Named(msgspec.Struct, frozen=True):
    """An identifier as it stood in the event, with its path there."""

    kind: Kind
    path: str
    value: object


def person(named: list[Named], traits: dict[str, Any], free: list[object], pepper: Pepper) -> Person:
    """The customer of identifiers and traits; EventRefusedError if none. `free`: where values may be repeated."""
    if traits:
        named = named + [
            Named(kind, f"traits.{key}", value)
            for key, value in traits.items()
            if (kind := _TRAITS.get(key)) is not None and value is not None and not isinstance(value, bool)
        ]
    identifiers = tuple([Identifier(each.kind, _text(each)) for each in named])
    silent = not traits and _REACHABLE.isdisjoint([each.kind for each in named])
    silent = silent and (not any(free) or known(free) is NOTHING)
    try:
        if silent:
            return _by_ids(identifiers, pepper)
        identified = identify(identifiers, pepper, name=_name(traits))
    except IdentifierRefusedError as error:
        raise EventRefusedError("", f"identifies no customer: {error}") from None
    written = [Contact(each.kind.value, each.value) for each in identifiers if each.kind in CONTACT_KINDS]
    cuts = known([{"traits": traits}, *free], [*identified.contacts, *written])
    if cuts.many:
        raise EventRefusedError("", "holds more contact data than one event may")
    contacts: dict[str, Contact] = {}
    for contact in identified.contacts:
        contacts.setdefault(contact.field, contact)
    return Person(
        customer=identified.customer_id,
        contacts=tuple(contacts.values()),
        known=cuts,
        aliases=_weaker(identified),
        rivals=_rivals(identified),
    )


@functools.lru_cache(maxsize=1 << 15)
def _by_ids(identifiers: tuple[Identifier, ...], pepper: Pepper) -> Person:
    """The customer of an event without contact data: the same ids come again and again, and nobody's address is kept."""
    found = identify(identifiers, pepper)
    return Person(found.customer_id, contacts=(), known=NOTHING, aliases=_weaker(found), rivals=_rivals(found))


def _weaker(identified: Identified) -> tuple[str, ...]:
    rivals = _rivals(identified)
    return tuple(alias for alias in identified.aliases[1:] if alias not in rivals)


def _rivals(identified: Identified) -> tuple[str, ...]:
    """The strongest id is a member number's if any is."""
    return tuple(alias for alias in identified.aliases[1:] if is_protected(alias))


def kept_traits(traits: Fields, person: Person) -> dict[str, Any]:
    """The traits without contact data; a birthday is checked and cut to its date."""
    birthday = traits.text("birthday", default="", longest=40)
    values = cut(traits.rest(), person.known, person=True)
    if birthday:
        values["birthday"] = _birthday(birthday, traits)
    return values


class Word(NamedTuple):
    """What is said on one consent; a grant without `granted_at` may be a stored one that is told again."""

    channel: str
    purpose: str
    granted: bool
    granted_at: int | None = None


def consents(given: Fields) -> list[Word]:
    """Each value true, false or `{"granted": true, "granted_at": "…"}`: `{"sms": VALUE}` (marketing), `{"sms": {"service": VALUE}}`."""
    found: list[Word] = []
    for channel, value in given.rest().items():
        if channel not in CHANNELS:
            raise given.refuse("*", f"must be one of {', '.join(CHANNELS)}")
        purposes = value if isinstance(value, dict) and "granted" not in value else {"marketing": value}
        for purpose, granted in purposes.items():
            if purpose not in PURPOSES:
                raise given.refuse(f"{channel}.*", f"must be one of {', '.join(PURPOSES)}")
            found.append(_word(given, channel, purpose, granted))
    return found


def _word(given: Fields, channel: str, purpose: str, said: Any) -> Word:
    path, dated = f"{channel}.{purpose}", said if isinstance(said, dict) else {"granted": said}
    if not isinstance(dated.get("granted"), bool):
        raise given.refuse(path, "must be true or false, or an object of `granted` and `granted_at`")
    if strange := dated.keys() - {"granted", "granted_at"}:
        raise given.refuse(f"{path}.{min(strange)}", "is unknown; `granted` and `granted_at` are known")
    told = dated.get("granted_at")
    if told is None:
        return Word(channel, purpose, dated["granted"])
    if not dated["granted"]:
        raise given.refuse(f"{path}.granted_at", "goes with `granted: true` alone")
    try:
        return Word(channel, purpose, granted=True, granted_at=granted_instant(told, "granted_at"))
    except EventRefusedError as error:
        raise given.refuse(f"{path}.granted_at", error.reason) from None


def granted_instant(value: object, path: str) -> int:
    """The grant's own instant, ms; EventRefusedError names `path`."""
    try:
        return parse_instant(value if isinstance(value, str) else "")
    except ValueError as error:
        raise EventRefusedError(path, str(error)) from None


def consent_facts(found: list[Word], like: Fact) -> list[ConsentSet]:
    """One fact per consent, with ids of their own that follow from the event's."""
    return [
        msgspec.convert(
            {
                "type": "consent.set",
                "id": f"{like.id}#{channel}/{purpose}",
                "at": like.at,
                "source": like.source,
                "channel": channel,
                "purpose": purpose,
                "granted": granted,
                "granted_at": granted_at,
            },
            ConsentSet,
        )
        for channel, purpose, granted, granted_at in found
    ]


def as_heard(taken: Taken, received_at: int) -> Taken:
    """No refusal is later than its arrival, and a consent told by a clock that is fast is well before it.

    Nobody knows how fast the clock is, nor what a right one will tell a moment later of a moment ago: in doubt the refusal
    holds.
    """
    if not any(type(fact) is ConsentSet and fact.at > received_at for fact in taken.facts):
        return taken
    replace = msgspec.structs.replace
    facts = [
        replace(fact, at=received_at - DOUBT_MS if fact.granted else received_at)
        if type(fact) is ConsentSet and fact.at > received_at
        else fact
        for fact in taken.facts
    ]
    return replace(taken, facts=tuple(facts))


def _text(named: Named) -> str:
    try:
        return as_text(named.value)
    except ValueError as error:
        raise EventRefusedError(named.path, str(error)) from None


def _name(traits: dict[str, Any]) -> str | None:
    whole = traits.get("name") or traits.get("fullName")
    if not whole:
        parts = (traits.get("firstName"), traits.get("lastName"))
        whole = " ".join(part for part in parts if isinstance(part, str) and part)
    return whole[:256] if isinstance(whole, str) and whole else None


def _birthday(text: str, traits: Fields) -> str:
    day = text if text.startswith("--") else text[:10]
    try:
        date.fromisoformat(f"{_LEAP_YEAR}-{day[2:]}" if day.startswith("--") else day)
    except ValueError:
        raise traits.refuse("birthday", "must be a date such as 1990-05-17 or --05-17") from None
    if len(day) != (7 if day.startswith("--") else 10):
        raise traits.refuse("birthday", "must be a date such as 1990-05-17 or --05-17")
    return day
