"""Records that could not be taken: where they stood and why, their bytes sealed; knows no topic's content."""

from __future__ import annotations

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="dead.letter"):
    """One refused record: its place, its reason, its sealed bytes."""

    service: str
    topic: str
    partition: int
    offset: int
    customer: str
    """Empty where the key is none or no text."""
    reason: str
    """Error class and message; never content of the record."""
    arrived: int
    """Kafka timestamp of the record, ms."""
    sealed: str
    """The record's value, sealed (shared/sealing.py, alias "dead-letter", field "topic/partition/offset")."""
