"""Cuts contact data out of free JSON. Knows how such fields and values look; not events, customers or seals."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from services.ingest.identifiers import CONTACT_KINDS, NAME_FIELD, Contact, Kind

_NAMES: Final = {
    "phone": Kind.PHONE.value,
    "mobile": Kind.PHONE.value,
    "phonenumber": Kind.PHONE.value,
    "mobilenumber": Kind.PHONE.value,
    "tel": Kind.PHONE.value,
    "msisdn": Kind.PHONE.value,
    "手机": Kind.PHONE.value,
    "手机号": Kind.PHONE.value,
    "电话": Kind.PHONE.value,
    "email": Kind.EMAIL.value,
    "mail": Kind.EMAIL.value,
    "emailaddress": Kind.EMAIL.value,
    "邮箱": Kind.EMAIL.value,
    "openid": Kind.OPENID.value,
    "externaluserid": Kind.EXTERNAL_USERID.value,
    "firstname": NAME_FIELD,
    "lastname": NAME_FIELD,
    "fullname": NAME_FIELD,
    "realname": NAME_FIELD,
    "nickname": NAME_FIELD,
    "username": NAME_FIELD,
    "customername": NAME_FIELD,
    "receivername": NAME_FIELD,
    "姓名": NAME_FIELD,
}
_ENDINGS: Final = {"phone": Kind.PHONE.value, "mobile": Kind.PHONE.value, "email": Kind.EMAIL.value}
_DROPPED: Final = frozenset(
    {"ip", "userid", "anonymousid", "unionid", "member", "previousid", "advertisingid", "address", "street"}
)
"""Identifiers, and where a person lives or surfs: not sealed, but not kept either."""
_PERSONS: Final = frozenset({"traits", "user", "customer", "receiver", "recipient", "contact", "buyer", "profile"})
"""Objects in which `name` is a person's; elsewhere it may be a product's or a page's."""
_ADDRESSES: Final = frozenset(kind.value for kind in CONTACT_KINDS)
_OTHER: Final = "dropped"

_NOT_IN_NAMES: Final = re.compile(r"[\W_]+")
_EMAIL: Final = re.compile(r"(?<=[^\s@<>\"'=&?/;,])(?:@|%40)[^\s@<>\"'&;,]{1,253}\.\w{2,}", re.IGNORECASE)
"""From the sign on, with one character before it: a pattern of the whole address takes seconds for a hostile text."""
_BETWEEN: Final = re.compile(r"([\s<>\"'=&?/;,]+)")
_PHONE: Final = re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}(?![0-9A-Za-z])")
_SHORTEST: Final = 5
_SHORTEST_NAME: Final = 6
_CUT: Final = object()
_MASK: Final = "***"


class Known(NamedTuple):
    """Values known to be contact data of this event, case-folded."""

    inside: tuple[str, ...] = ()
    """Cut where they occur within a text."""
    equal: frozenset[str] = frozenset()
    """Too short for that: cut where they are the whole text."""
    addresses: tuple[str, ...] = ()
    """Those of `inside` that are addresses, not names: nothing that holds one may be published."""

    @property
    def many(self) -> bool:
        """More values than an honest event holds: each is looked for in each text, so they cost time by their product."""
        return len(self.inside) + len(self.equal) > _MOST


_MOST: Final = 48
NOTHING: Final = Known()


def known(parts: Iterable[object], contacts: Iterable[Contact] = ()) -> Known:
    """What the parts hold under contact names at any depth, and the contacts in their normal form."""
    found: set[tuple[str, str]] = set()
    for part in parts:
        if part:
            _collect(part, found, person=False)
    for contact in contacts:
        found.add((contact.field, contact.value))
    if not found:
        return NOTHING
    inside: set[str] = set()
    equal: set[str] = set()
    addresses: set[str] = set()
    for field, value in found:
        for text in _spellings(field, value):
            if field == NAME_FIELD and (len(text) >= _SHORTEST_NAME or (len(text) > 1 and not text.isascii())):
                inside.add(text)
            elif field != NAME_FIELD and len(text) >= _SHORTEST:
                inside.add(text)
                addresses.add(text)
            else:
                equal.add(text)
    return Known(tuple(inside), frozenset(equal), tuple(addresses))


def cut(values: dict[str, Any], known: Known, *, person: bool = False) -> dict[str, Any]:
    """A copy without contact fields, and keys and texts that hold contact data; of a `person`, without `name`."""
    person = person or _is_person(values)
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if _is_contact(key, value, person=person) or _holds(key, known):
            continue
        left = _cut(value, known, person=key.lower() in _PERSONS)
        if left is not _CUT:
            kept[key] = left
    return kept


def holds_contact(text: str, known: Known) -> bool:
    """Whether a text holds a known contact value, or what looks like an address or a mobile number."""
    return _holds(text, known)


def masked(text: str, known: Known) -> str:
    """A free text with `***` in place of contact data; empty where that cannot be done."""
    if not _holds(text, known):
        return text
    text = unicodedata.normalize("NFKC", text)
    text = "".join(_MASK if _EMAIL.search(part) else part for part in _BETWEEN.split(text))
    for pattern in (_PHONE, *(re.compile(re.escape(value), re.IGNORECASE) for value in known.inside)):
        text = pattern.sub(_MASK, text)
    return "" if _holds(text, known) else text


def _cut(value: object, known: Known, *, person: bool) -> Any:
    if type(value) is str:
        return _CUT if _holds(value, known) else value
    if type(value) is dict:
        return cut(value, known, person=person)
    if type(value) is list:
        return [left for item in value if (left := _cut(item, known, person=person)) is not _CUT]
    if type(value) is int and _holds(str(value), known):
        return _CUT
    return value


def _holds(text: str, known: Known) -> bool:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if ("@" in text or "%40" in text) and _EMAIL.search(text) is not None:
        return True
    if len(text) >= 11 and _PHONE.search(text) is not None:
        return True
    if known is NOTHING:
        return False
    folded = text.casefold()
    for value in known.inside:
        if value in folded:
            return True
    return folded.strip() in known.equal


def _collect(value: object, found: set[tuple[str, str]], *, person: bool) -> None:
    if type(value) is list:
        for item in value:
            _collect(item, found, person=person)
    elif type(value) is dict:
        for key, inner in value.items():
            field = field_of(key)
            if not field and key.lower() == NAME_FIELD and (person or _is_person(value)):
                field = NAME_FIELD
            kind = type(inner)
            if field and field != _OTHER and (kind is str or kind is int):
                found.add((field, str(inner)))
            elif kind is dict or kind is list:
                _collect(inner, found, person=key.lower() in _PERSONS)


def _is_contact(key: str, value: object, *, person: bool) -> bool:
    """Whether the value under this key is contact data; a flag such as `"email": true` is none."""
    if isinstance(value, bool) or value is None:
        return False
    return bool(field_of(key)) or (person and key.lower() == NAME_FIELD)


def _is_person(values: dict[str, Any]) -> bool:
    for key, value in values.items():  # noqa: SIM110 - a generator costs twice as much, and this is every event's path
        if field_of(key) in _ADDRESSES and (type(value) is str or type(value) is int):
            return True
    return False


@functools.lru_cache(maxsize=4096)
def field_of(key: str) -> str:
    """The contact field that a key names in any spelling; "dropped" for other personal data, "" for none."""
    plain = _NOT_IN_NAMES.sub("", key).lower()
    if plain in _NAMES:
        return _NAMES[plain]
    if plain in _DROPPED:
        return _OTHER
    return next((field for ending, field in _ENDINGS.items() if plain.endswith(ending)), "")


def _spellings(field: str, value: str) -> Iterable[str]:
    plain = value.strip().casefold()
    if not plain:
        return ()
    if field != Kind.PHONE:
        return (plain,)
    digits = "".join(character for character in plain if character.isdigit())
    return {plain, digits, digits.removeprefix("0086").removeprefix("86")} - {""}
