"""What every message of Segment's shape says, read. Knows the desk, the person and instants; not what happened."""

from __future__ import annotations

from typing import Any, NamedTuple

from services.ingest.cutting import masked
from services.ingest.fields import Fields
from services.ingest.people import Desk, Person


class Envelope(NamedTuple):
    """Who, when, from where."""

    desk: Desk
    person: Person
    id: str
    at: int
    source: str
    told: int
    """`at` by the sender's own clock, which orders what he sent."""

    @property
    def common(self) -> dict[str, Any]:
        """The fields that every fact carries."""
        return {"id": self.id, "at": self.at, "source": self.source, "contacts": self.person.fields}

    def free(self, properties: Fields, *names: str, longest: int = 256) -> str:
        """A free text without contact data; empty if there is none."""
        return masked(properties.text(*names, default="", longest=longest), self.person.known)
