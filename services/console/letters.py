"""Rejected events and dead letters as rows of the read model; pure, knows their shapes, not what is done about them."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from shared.contract.dead_letters import SEALED_AS, DeadLetter, sealed_field
from shared.contract.rejected_events import RejectedEvent
from shared.contract.topics import REJECTED_EVENTS
from shared.ids import derived_id
from shared.instants import LATEST

State = Literal["open", "replayed", "dismissed"]
STATES: Final[tuple[State, ...]] = ("open", "replayed", "dismissed")
REJECTED_AS: Final = "rejected-event"
"""Alias under which ingest seals what it refused."""
LONGEST: Final = 500
"""Characters kept of a text that other services made."""
_GREATEST: Final = 2**63 - 1

_decode_dead = msgspec.json.Decoder(DeadLetter).decode
_decode_rejected = msgspec.json.Decoder(RejectedEvent).decode


class Letter(NamedTuple):
    """One record or event that was not taken, in the order of the table's columns."""

    id: str
    topic: str
    """Where the record stood that was not taken; rejected-events-v1 for an event that never became one."""
    partition: int
    offset: int
    key: bytes | None
    """Key of the record that was not taken."""
    customer: str
    service: str
    source: str
    """The sender of a rejected event."""
    path: str
    reason: str
    arrived: int
    """When it came, ms; the latest time, if it came more than once."""
    told_at: int
    """When it was first put aside, ms."""
    sealed: str
    history: bool = False
    """Of a rejected event: it was told as history, and so it is again."""

    @property
    def rejected(self) -> bool:
        """Refused by ingest, before it became a record."""
        return self.topic == REJECTED_EVENTS.name

    @property
    def seal(self) -> tuple[str, str]:
        """Alias and field under which its bytes are sealed."""
        if self.rejected:
            return REJECTED_AS, self.id
        return SEALED_AS, sealed_field(self.topic, self.partition, self.offset)


class Record(Protocol):
    """What is read of a Kafka record."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """When it was written, ms."""

    @property
    def key(self) -> bytes | None:
        """The key of the record that was not taken, or the source."""

    @property
    def value(self) -> bytes | None:
        """JSON."""


def dead(record: Record) -> Letter:
    """A record of dead-letters-v1; msgspec.DecodeError if it is none. The same failure told twice has one id."""
    told = _decode_dead(record.value or b"")
    _require_storable(told.partition, told.offset, sealed=told.sealed)
    place = (told.partition, told.offset)
    return Letter(
        id=derived_id("letter", told.service, told.topic, *place, told.customer),
        topic=_text(told.topic),
        partition=told.partition,
        offset=told.offset,
        key=record.key,
        customer=_text(told.customer),
        service=_text(told.service),
        source="",
        path="",
        reason=_text(told.reason),
        arrived=_instant(told.arrived),
        told_at=_instant(record.timestamp),
        sealed=told.sealed,
    )


def rejected(record: Record) -> Letter:
    """A record of rejected-events-v1; msgspec.DecodeError if it is none. The same bytes of a source have one id."""
    told = _decode_rejected(record.value or b"")
    _require_storable(sealed=told.sealed)
    return Letter(
        id=_text(told.id),
        topic=REJECTED_EVENTS.name,
        partition=record.partition,
        offset=record.offset,
        key=None,
        customer="",
        service="ingest",
        source=_text(told.source),
        path=_text(told.path),
        reason=_text(told.reason),
        arrived=_instant(told.received_at),
        told_at=_instant(record.timestamp),
        sealed=told.sealed,
        history=told.history,
    )


def _require_storable(*numbers: int, sealed: str) -> None:
    """What stands on a topic may have been put there by anybody; msgspec.ValidationError if the database cannot hold it."""
    if not all(0 <= number <= _GREATEST for number in numbers):
        raise msgspec.ValidationError("partition, offset: must be whole numbers of at most 63 bits")
    if not sealed.isascii() or "\0" in sealed:
        raise msgspec.ValidationError("sealed: must be base64")


def _instant(ms: int) -> int:
    """Within the years that can be shown."""
    return min(max(ms, 0), LATEST)


def _text(value: str) -> str:
    """A text as PostgreSQL keeps it."""
    return value[:LONGEST].replace("\0", "\ufffd")
