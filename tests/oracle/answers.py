"""What the oracle answers per customer and as a whole; knows shapes only."""

from __future__ import annotations

from collections import Counter

import msgspec

from shared.contract.broadcasts import CutsPublished
from shared.contract.bundles import Cause, Profile, Segments
from shared.contract.commands import Allow, SendMessage, Suppress
from shared.contract.public_records import Verdict
from tests.oracle.rfm import Measure


class Moved(msgspec.Struct, frozen=True):
    """One segment change."""

    seq: int
    dimension: str
    before: str
    after: str
    effective_at: int
    cause: Cause
    cuts: int


class Decided(msgspec.Struct, frozen=True):
    """One decision about one candidate; `commands` are those sent by it."""

    id: str
    rule: str
    trigger_key: str
    effective_at: int
    decided_at: int
    verdict: Verdict
    reason: str
    until: int | None
    commands: tuple[str, ...]
    policy: int


class CustomerAnswer(msgspec.Struct, frozen=True):
    """A customer after the last record of the log; `steps` 0: nothing was ever sent on about him."""

    steps: int
    profile: Profile
    segments: Segments
    shown: Segments
    """By the public snapshot: nothing of an id whose person was erased."""
    changes: tuple[Moved, ...]
    commands: tuple[SendMessage, ...]
    silences: tuple[Suppress | Allow, ...]
    """What the notifier is told of his refusals and of his erasure."""
    decisions: tuple[Decided, ...]
    effects: dict[str, int]
    """Event id → how often it must be told to the later hops: applied facts but page views and tracked ones."""
    fates: dict[str, Counter[str]]
    """Event id → how often it was applied and how often a duplicate."""
    measures: tuple[tuple[int, Measure | None], ...]
    """(offset of the record that caused it, measure from then on)."""


class Answer(msgspec.Struct, frozen=True):
    """The whole log folded. `epochs`: partition → epoch → offset of its tick."""

    customers: dict[str, CustomerAnswer]
    partitions: dict[str, int]
    """Customer → partition."""
    epochs: dict[int, dict[int, int]]
    published: tuple[CutsPublished, ...]
    places: dict[tuple[int, int], str]
    """(partition, offset) of every fact → its event id."""
    dead: tuple[tuple[int, int], ...]
    """(partition, offset) of records that must end as dead letters."""
    unlinks: tuple[tuple[int, int], ...]
    """(partition, offset) of records that split people, which are not folded."""
    handovers: int
    """How often an id's state was taken over by another."""
