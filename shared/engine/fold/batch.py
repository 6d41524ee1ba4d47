"""The effects of one batch of a partition: records to emit, values to persist, the offset to commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Record(Protocol):
    """What the engine reads of an input record (aiokafka's ConsumerRecord has this shape)."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def key(self) -> bytes | None:
        """The customer id; None for broadcasts."""
        ...

    @property
    def value(self) -> bytes | None:
        """The encoded record."""
        ...

    @property
    def timestamp(self) -> int:
        """When it was appended, ms."""
        ...


class Emit(msgspec.Struct, frozen=True, gc=False):
    """One record to produce, in order within its (topic, partition)."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    """Empty: the key is taken out of a compacted topic, by a null."""
    headers: Sequence[tuple[str, bytes]] = ()


class Batch(msgspec.Struct, frozen=True):
    """The effects of one batch, in the order in which they must happen: emits, customers, values, commit."""

    emits: list[Emit]
    """Without the dead letters."""
    customers: list[tuple[bytes, bytes]]
    """Changelog records of the customers changed, last value per key."""
    values: bytes
    """The partition values, to be written after the customers."""
    next: int
    """Next input offset: what to commit."""
    metadata: str
    """Checksum of the last applied record, for the commit (rule 8)."""
    quiet: bool
    """Only ticks that touched nobody: may wait with persist and commit (rule 12)."""
    records: int
    poison: int
    checkpoint: bool = False
    """The last record asks for a snapshot of the state as it now is."""


class Counts(msgspec.Struct):
    """Running totals of a partition, for metrics and the conservation check."""

    records: int = 0
    steps: int = 0
    duplicates: int = 0
    fenced: int = 0
    poison: int = 0
    ticks: int = 0
    ticks_ignored: int = 0
