"""Records that go to every partition: time, cuts, policy, declarations of sources, requests."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from shared.contract.origin import Origin


class Tick(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="tick"):
    """Time as a record: everything accepted before `as_of` stands before it in its partition."""

    as_of: int
    scenario: bool = False
    origin: Origin | None = None
    """Set by the first hop when it forwards the tick."""


class Cuts(msgspec.Struct, frozen=True):
    """Quintile cuts, best side first for recency: four local days (descending), four counts and four amounts (ascending)."""

    recency: tuple[int, ...]
    frequency: tuple[int, ...]
    monetary: tuple[int, ...]


class CutsPublished(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="cuts.published"):
    """RFM cuts of the whole shop at an epoch instant; applies iff (epoch, digest) exceeds that in force."""

    epoch: int
    """The epoch's logical instant, ms."""
    digest: str
    """Hash of cuts and population: tells apart two contents of one epoch."""
    cuts: Cuts | None
    """None while no customer has an order in the window."""
    population: int
    origin: Origin | None = None

    @property
    def version(self) -> tuple[int, str]:
        """What fences it: a later epoch, or other content of the same one."""
        return self.epoch, self.digest


BEHAVIOUR = 4
"""The newest behaviour that this code has (rule 14). A change of what is decided adds one and keeps what was before.

3: consents withdrawn and given are told to the notifier as commands (docs/semantics.md §7).
4: contradictory repeats have one answer in every order, cancellations and refunds have versions, a refusal holds (§2). In the making:
complete with version 0.3.0, and no policy of a log that is kept should name it before."""


class PolicyPublished(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="policy.published"):
    """One version of the policy document (shared/language/policy.py); applies iff its version is higher than that in force."""

    number: int
    document: dict[str, Any]
    origin: Origin | None = None

    @property
    def version(self) -> tuple[int, str]:
        """What fences it."""
        return self.number, ""

    @property
    def behaviour(self) -> int:
        """How the folds decide from this record on (rule 14): by default as the first version of the code did."""
        asked = self.document.get("behaviour", 1)
        return asked if type(asked) is int else 1


Counted = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class ResyncRequested(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="resync.requested"):
    """Tell every customer's facts once more; nothing happens because of it. Applies iff its number is above the latest."""

    number: Counted
    """Wall time of the request, ms."""
    clock: Counted = 0
    """Set by the first hop when it forwards: logical now of the partition."""
    origin: Origin | None = None

    @property
    def version(self) -> tuple[int, str]:
        """What fences it."""
        return self.number, ""


class Checkpoint(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="checkpoint"):
    """Write the state as it is at this record to a file (shared/engine/recovery/snapshot.py). Applies iff its number is above the latest."""

    number: Counted
    """Wall time of the request, ms."""
    origin: Origin | None = None

    @property
    def version(self) -> tuple[int, str]:
        """What fences it."""
        return self.number, ""


SourceName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?\Z")]


class SourceCompleted(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="source.completed"):
    """All that the source has to tell of the time up to `until` stands before this record; applies iff `until` is its latest."""

    source: SourceName
    """The `source` of its facts."""
    until: Counted
    """Instant, ms."""
    origin: Origin | None = None

    @property
    def version(self) -> tuple[int, str]:
        """What fences it, among the declarations of the same source."""
        return self.until, ""


Standing = CutsPublished | PolicyPublished | SourceCompleted
"""Broadcasts that are in force from their record on."""

Broadcast = Tick | CutsPublished | PolicyPublished | SourceCompleted | ResyncRequested | Checkpoint
