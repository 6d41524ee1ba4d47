"""Who an event is about: identifiers made comparable, then tokens. Knows identifiers; not events or topics."""

from __future__ import annotations

import base64
import enum
import hmac
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple, final

import msgspec
import phonenumbers

from shared.private_files import PrivateFileError, create_private, read_private


class Kind(enum.StrEnum):
    """The kinds of identifier, strongest first."""

    MEMBER = "member_number"
    UNIONID = "unionid"
    PHONE = "phone"
    EMAIL = "email"
    OPENID = "openid"
    EXTERNAL_USERID = "external_userid"
    ANONYMOUS = "anonymous_id"

    __hash__ = str.__hash__  # the enumeration's own is Python code, and each event hashes several


LETTER: Final = dict(zip(Kind, "gfedcba", strict=True))
"""First letter of a customer id: the larger id is of the stronger kind."""

CONTACT_KINDS: Final = (Kind.PHONE, Kind.EMAIL, Kind.OPENID, Kind.EXTERNAL_USERID)
"""Kinds through which a customer can be reached; their values are sealed."""

NAME_FIELD: Final = "name"
"""The sealed field that holds a person's name; it never identifies."""

_HEX_DIGITS: Final = 32
_PEPPER_BYTES: Final = 32
_LONGEST: Final = 256
_WORLDWIDE: Final = frozenset({Kind.PHONE, Kind.EMAIL})

_MASKS: Final = re.compile(r"[*\u2022\u25cf\u00d7#?]")
_EXTENSION: Final = re.compile(r"转|轉|分机|分機|ext|;|,|(?<=\d{10})\s*[-\u2013_]\s*\d{1,5}$", re.IGNORECASE)
_PHONE: Final = re.compile(r"\+?[0-9 ().\-]{5,30}")
_PLAIN_CHINESE_MOBILE: Final = re.compile(r"(?:\+?86)?(1(?:3\d|5[0-35-9]|7[0-35-8]|8\d|9[0-35-9])\d{8})", re.ASCII)
_PERSONAL_LINES: Final = frozenset(
    {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
)
_LOCAL_PART: Final = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f]{1,64}")
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.ASCII)
_NOBODY: Final = frozenset(
    [
        "0",
        "-1",
        "null",
        "none",
        "nil",
        "nan",
        "undefined",
        "unknown",
        "anonymous",
        "guest",
        "n/a",
        "na",
        "true",
        "false",
        "test",
        "未知",
        "匿名",
        "游客",
        "无",
        "00000000-0000-0000-0000-000000000000",
    ]
) | {"[object object]"}
"""What programs send instead of an identifier: one such token would melt thousands of people into one."""


class IdentifierRefusedError(Exception):
    """Nothing in the event identifies a customer; the message names kinds and reasons, never values."""


class PepperError(Exception):
    """The pepper file cannot be used."""


class Identifier(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One identifier as the source wrote it. `issuer` is who hands such values out: an app, a corporation, a shop."""

    kind: Kind
    value: str
    issuer: str = ""

    def __repr__(self) -> str:
        return f"Identifier({self.kind}, ****, issuer={self.issuer!r})"


class Contact(NamedTuple):
    """Personal data in clear, to be sealed under the customer id and `field`, and dropped."""

    field: str
    value: str

    def __repr__(self) -> str:
        return f"Contact({self.field}, ****)"


class Identified(msgspec.Struct, frozen=True):
    """Whom an event is about."""

    customer_id: str  # the strongest alias
    aliases: list[str]  # every alias in the event, strongest first, without repetition
    contacts: list[Contact]  # normalised, in the order given
    refused: list[str]  # why identifiers were left out, e.g. "phone: is masked"


@final
class Pepper:
    """The secret without which nobody can try out phone numbers against tokens."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != _PEPPER_BYTES:
            raise PepperError(f"pepper: must be {_PEPPER_BYTES} bytes in base64")
        self._key = key

    @classmethod
    def load(cls, path: Path) -> Pepper:
        """Read 32 bytes in base64; PepperError unless the file is private and whole."""
        try:
            return cls(base64.b64decode(read_private(path).strip(), validate=True))
        except PrivateFileError as error:
            raise PepperError(f"pepper: {error}") from None
        except ValueError:
            raise PepperError(f"pepper: must be {_PEPPER_BYTES} bytes in base64") from None

    @classmethod
    def create(cls, path: Path) -> Pepper:
        """Write a fresh pepper; PepperError if the file exists, for another pepper makes strangers of all customers."""
        try:
            create_private(path, base64.b64encode(os.urandom(_PEPPER_BYTES)) + b"\n")
        except PrivateFileError as error:
            raise PepperError(f"pepper: {error}") from None
        return cls.load(path)

    def customer_id(self, kind: Kind, issuer: str, value: str) -> str:
        """The token of a normalised identifier: a letter for the strength of its kind and 32 hex digits."""
        message = f"{kind}\0{issuer}\0{value}".encode()
        return LETTER[kind] + hmac.digest(self._key, message, "sha256").hex()[:_HEX_DIGITS]

    def __repr__(self) -> str:
        return "Pepper(****)"


def identify(identifiers: Iterable[Identifier], pepper: Pepper, *, name: str | None = None) -> Identified:
    """The customer that the strongest identifier names; IdentifierRefusedError when none identifies.

    Masked, virtual and extension numbers and placeholders are left out and told in `refused`.
    """
    aliases: set[str] = set()
    contacts: dict[Contact, None] = {}
    refused: list[str] = []
    for identifier in identifiers:
        try:
            issuer, value = normalise(identifier)
        except ValueError as error:
            refused.append(f"{identifier.kind}: {error}")
            continue
        aliases.add(pepper.customer_id(identifier.kind, issuer, value))
        if identifier.kind in CONTACT_KINDS:
            contacts[Contact(identifier.kind.value, value)] = None
    if not aliases:
        raise IdentifierRefusedError("; ".join(refused) or "no identifier is given")
    if name is not None and (name := name.strip()):
        contacts[Contact(NAME_FIELD, name)] = None
    ranked = sorted(aliases, reverse=True)
    return Identified(customer_id=ranked[0], aliases=ranked, contacts=list(contacts), refused=refused)


def normalise(identifier: Identifier) -> tuple[str, str]:
    """Issuer and value in the one form in which equal identifiers are equal; ValueError says why it identifies nobody.

    Phone numbers and e-mail addresses are the same whoever reports them: their issuer is dropped.
    """
    value = _visible(identifier.value)
    issuer = "" if identifier.kind in _WORLDWIDE else _visible(identifier.issuer)
    if not value:
        raise ValueError("is empty")
    if len(value) > _LONGEST or len(issuer) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters")
    if not (value.isprintable() and issuer.isprintable()):
        raise ValueError("holds control characters or lone surrogates")
    if identifier.kind is Kind.PHONE:
        return issuer, _phone(value)
    if identifier.kind is Kind.EMAIL:
        return issuer, _email(value)
    if value.lower() in _NOBODY:
        raise ValueError("is a placeholder")
    if "**" in value:
        raise ValueError("is masked")
    return issuer, value


def _visible(text: str) -> str:
    """Without surrounding space, in one spelling, and without the invisible marks that copying from a chat brings."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return text.strip()


def _phone(text: str) -> str:
    """E.164 of a number that one person carries; without a country code it is read as Chinese."""
    if (plain := _PLAIN_CHINESE_MOBILE.fullmatch(text)) is not None:  # spares the library's 50 µs for most numbers
        return f"+86{plain[1]}"
    if _MASKS.search(text) or re.search(r"\d[xX]{2,}", text):
        raise ValueError("is masked")
    if _EXTENSION.search(text):
        raise ValueError("has an extension: a virtual or shared number")
    if _PHONE.fullmatch(text) is None:
        raise ValueError("is not a phone number")
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException:
        raise ValueError("is not a phone number") from None
    if not phonenumbers.is_valid_number(number):
        raise ValueError("is not a valid phone number")
    if phonenumbers.number_type(number) not in _PERSONAL_LINES:
        raise ValueError("is not a mobile number: a line that people share")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(text: str) -> str:
    """Lower case, the domain in its ASCII form."""
    if "*" in text:
        raise ValueError("is masked")
    local, at, domain = text.lower().rpartition("@")
    if not at or _LOCAL_PART.fullmatch(local) is None:
        raise ValueError("is not an e-mail address")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("has an invalid domain") from None
    if len(local) + len(domain) > 253 or _DOMAIN.fullmatch(domain) is None:
        raise ValueError("has an invalid domain")
    return f"{local}@{domain}"
