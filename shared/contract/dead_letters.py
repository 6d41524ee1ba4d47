"""Records that could not be taken: where they stood and why, their bytes sealed; knows no topic's content."""

from __future__ import annotations

import re
from typing import Final

import msgspec

LONGEST_SEALED: Final = 500_000
"""Bytes of a dead record that are kept: sealed and in base64 they fit into a record."""
LONGEST_REASON: Final = 500
SEALED_AS: Final = "dead-letter"
"""Alias under which the bytes are sealed."""

_QUOTED: Final = re.compile("'.*'", re.DOTALL)


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


def sealed_field(topic: str, partition: int, offset: int) -> str:
    """Field under which the record's bytes are sealed: its place."""
    return f"{topic}/{partition}/{offset}"


def reason_of(error: Exception) -> str:
    """Class and message of an error, without what it quotes of the record."""
    # A Unicode error would show bytes of the record, and msgspec quotes values that are none of those expected.
    text = "" if isinstance(error, UnicodeDecodeError) else ": " + _QUOTED.sub("'…'", str(error))
    return f"{type(error).__name__.removeprefix('_')}{text}"[:LONGEST_REASON]
