"""From a person's identifiers to the erasure of every id they stand for; pure: knows identifiers, no HTTP and no topic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from services.ingest.fields import EventRefusedError
from services.ingest.identifiers import Identifier, IdentifierRefusedError, Kind, Pepper, identify
from services.ingest.typed import CUSTOMER_KINDS
from services.ingest.typed_shapes import Customer
from services.ingest.wording import refused
from shared.contract.facts import CustomerErased
from shared.ids import derived_id
from shared.instants import parse_instant

AHEAD_MS: Final = 5 * 60_000
"""Forgiven, as of events; it counts as now."""


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the API takes: whoever bears one of these identifiers is to be forgotten."""

    customer: Customer
    id: Annotated[str, Meta(pattern=r"^[!-~]{0,128}\Z")] = ""
    """Yours, the same over retries; empty: one is made."""
    at: str | None = None
    """When it was asked for, the same over retries; None: now. What the person does well after it is not erased."""


class Erasure(msgspec.Struct, frozen=True):
    """One wish as facts, one per id: each goes to the log of its own id, which knows where the person's state is."""

    id: str
    at: int
    facts: tuple[tuple[str, CustomerErased], ...]


def wish_of(item: object) -> Wish:
    """The wish from decoded JSON; EventRefusedError names the field."""
    try:
        return msgspec.convert(item, Wish)
    except msgspec.ValidationError as error:
        raise refused(str(error), "$") from None


def instant_of(wish: Wish, latest: int | None, now: int) -> int:
    """When it was asked for; EventRefusedError for one that is none, or later than `latest` and what a clock may be fast."""
    if wish.at is None:
        return now
    try:
        at = parse_instant(wish.at)
    except ValueError as error:
        raise EventRefusedError("at", str(error)) from None
    if latest is None or at <= latest:
        return at
    if at > latest + AHEAD_MS:
        raise EventRefusedError("at", "lies ahead: what will happen cannot be erased")
    return latest


def identifiers_of(customer: Customer) -> list[Identifier]:
    """Those that are given."""
    given = zip(CUSTOMER_KINDS.values(), msgspec.structs.astuple(customer), strict=True)
    return [Identifier(kind, value) for kind, value in given if value is not None]


def erase(
    identifiers: Iterable[Identifier], pepper: Pepper, *, event_id: str, source: str, at: int, whole: bool = True
) -> Erasure:
    """Every id that these identifiers give. EventRefusedError if one gives none: half an erasure would look like a whole.

    `whole=False`: of those that a shop system sends along, what identifies nobody never did; it is left out.
    """
    try:
        found = identify(identifiers, pepper)
    except IdentifierRefusedError as error:
        raise EventRefusedError("customer", f"identifies nobody: {error}") from None
    if found.refused and whole:
        raise EventRefusedError("customer", f"names somebody else as well, or nobody: {'; '.join(found.refused)}")
    event_id = event_id or derived_id("erase", source, at, *found.aliases)
    facts = ((customer, CustomerErased(id=event_id, at=at, source=source)) for customer in found.aliases)
    return Erasure(event_id, at, tuple(facts))


def named(**values: str | None) -> list[Identifier]:
    """Identifiers by the names of the typed API (member, phone, …), those that are not None."""
    kinds: dict[str, Kind] = dict(CUSTOMER_KINDS)
    return [Identifier(kinds[name], value) for name, value in values.items() if value is not None]
