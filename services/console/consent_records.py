"""One consent as the console keeps it, from its record in the log; knows shapes, no table."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import msgspec

from shared.contract.facts import ConsentSet

LONGEST: Final = 256
"""Characters kept of a text."""
_decode = msgspec.json.Decoder(ConsentSet).decode


class Told(Protocol):
    """What is read of a Kafka record."""

    @property
    def partition(self) -> int:
        """Of customer-events-v1."""

    @property
    def offset(self) -> int:
        """Its place there."""

    @property
    def timestamp(self) -> int:
        """Its arrival, ms."""

    @property
    def key(self) -> bytes | None:
        """Customer id."""

    @property
    def value(self) -> bytes | None:
        """The fact."""


class Consented(NamedTuple):
    """One consent as told, in the order of the table's columns."""

    partition: int
    offset: int
    customer: str
    event: str
    channel: str
    purpose: str
    granted: bool
    at: int
    arrived: int
    source: str
    mode: str
    proof: str
    text_version: str
    operator: str


def consented(record: Told) -> Consented:
    """msgspec.DecodeError where the record is no consent."""
    fact = _decode(record.value or b"")
    texts = (fact.source, fact.mode, fact.proof, fact.text_version, fact.operator)
    return Consented(
        record.partition,
        record.offset,
        _text((record.key or b"").decode()),
        _text(fact.id),
        fact.channel,
        fact.purpose,
        fact.granted,
        fact.at,
        record.timestamp,
        *(_text(text) for text in texts),
    )


def _text(value: str) -> str:
    """A text as PostgreSQL keeps it."""
    return value[:LONGEST].replace("\0", "\ufffd")
