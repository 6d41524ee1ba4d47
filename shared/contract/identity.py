"""Records about the ids of one person: links, splits, conflicts, and state handed over between ids."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from shared.contract.facts import CustomerFact
from shared.contract.origin import Origin


class Linked(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="identity.link"):
    """Two ids are one person: the holder of the record's key hands its state to the larger id and becomes a redirect."""

    other: str
    weaker: str = ""
    """A link derived at a redirect: the id that the event named beside its customer …"""
    stronger: str = ""
    """… and that customer. Empty: the record's own two."""


class Unlinked(msgspec.Struct, frozen=True, tag_field="type", tag="identity.unlink"):
    """`alias`, and what was handed over through it, is somebody else: whoever holds the record's key gives it back."""

    alias: str


class IdentityConflict(msgspec.Struct, frozen=True, tag_field="type", tag="identity.conflict"):
    """The record's key was named together with `alias`, which belongs to another member: the two stay apart."""

    alias: str
    members: tuple[str, str]
    """The member numbers' ids that would have become one, ascending."""


class Gone(NamedTuple):
    """Where an id went that was split off."""

    root: str
    """The id that was split off, with this one below it."""
    until: Origin
    """Everything of it up to this origin belongs there."""


class Fragment(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="fragment"):
    """State handed over by another key of the same service."""

    source: str
    """The key; of a fragment given back a name of its own, never an id."""
    source_origin: Origin
    marks: dict[str, Origin]
    body: bytes
    """What `Fold.surrender` or `Fold.split` returned."""
    seen: tuple[str, ...] = ()
    to: str = ""
    """The id to which it was handed; a redirect passes it on unchanged."""
    refused: tuple[str, ...] = ()
    under: dict[str, str] = {}
    gone: dict[str, Gone] = {}
    back: Origin | None = None
    """Given back after an unlink: the highest origin that belongs to the time before it."""
    alias: str = ""
    """Sent back by an id from which it was split off meanwhile: the key that handed it over."""


class Forwarded(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="forwarded"):
    """A fact that reached a redirect and goes on to the id that holds the state."""

    source: str
    source_origin: Origin
    event: CustomerFact
    arrived: int
    """Arrival of the fact at its first key, ms."""
    alias: str = ""
    """Sent back by an id from which it was split off meanwhile: the first key."""
