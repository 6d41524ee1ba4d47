"""What moves between the stateful services: time, cuts, policy, hand-over, and bundles of ordered facts; knows no service's state."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from shared.events import CustomerFact

NEVER = 2**63 - 1
"""The due instant of a customer for whom nothing is due."""


class Origin(NamedTuple):
    """Position of the customer-events record that caused a record; origins rise per customer at every hop."""

    epoch: int
    partition: int
    offset: int
    step: int = 0


NOWHERE = Origin(0, 0, -1, 0)
"""Below every origin."""


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


BEHAVIOUR = 3
"""The newest behaviour that this code has (rule 14). A change of what is decided adds one and keeps what was before.

3: consents withdrawn and given are told to the notifier as commands (docs/semantics.md §7)."""


class PolicyPublished(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="policy.published"):
    """One version of the policy document (shared/policy.py); applies iff its version is higher than that in force."""

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
    """Write the state as it is at this record to a file (shared/streams/snapshot.py). Applies iff its number is above the latest."""

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


FrontRecord = CustomerFact | Broadcast | Linked | Unlinked | IdentityConflict | Fragment | Forwarded
"""Everything that may stand on customer-events-v1."""


class Bundle(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The one record that a hop sends on per input origin and customer. Subclasses add `steps`, ordered by instant."""

    origin: Origin
    as_of: int
    """Logical now of the customer after the steps, ms."""
    linked: str = ""
    """Not empty: the customer was handed over to this id."""
    seen: tuple[str, ...] = ()
    """Ids that events have named for this person."""
    absorbed: tuple[tuple[str, ...], ...] = ()
    """For each hop so far, the ids whose state it has absorbed."""
    unlinked: str = ""
    """Not empty: this id was split off from the customer …"""
    returned: dict[str, Origin] = {}
    """… with all these, up to these origins."""


Cause = Literal["event", "time", "correction", "cuts", "policy", "import", "merge", "resync"]
"""Why something changed. A step's cause is that of the record; a backdated refund, cancellation or new order version is a correction.

By a resync nothing changes."""


class Happened(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What later hops must know of a fact, without its body."""

    what: str
    """The fact's type, e.g. order.placed."""
    id: str
    at: int
    """The event's own time (clamped, see docs/semantics.md)."""
    ref: str = ""
    """Order, product or command id."""
    silent: bool = False
    """The fact came by import: it never fires."""
    baseline: int | None = None
    confirmed: bool = False
    before: int = 0
    """product.viewed: visible ms of the product within 24 h before this beat."""
    after: int = 0
    """product.viewed: the same after this beat."""
    status: str = ""
    """message.reported: the status; order.placed: "revised" where a higher version replaced a known order."""
    alias: str = ""
    """The id under which it came, if it was forwarded from another one."""


class Consent(msgspec.Struct, frozen=True, array_like=True):
    """Whether it was given, and when that was said."""

    granted: bool
    at: int


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The customer as the profile service knows him: absolute values, amounts net of refunds in minor units."""

    orders: int = 0
    """Orders of all time, without cancelled ones."""
    total: int = 0
    """Net amount of all time."""
    first_order_at: int | None = None
    last_order_at: int | None = None
    first_order_id: str = ""
    last_order_id: str = ""
    """Of the order with the largest (at, id)."""
    window_orders: int = 0
    """F: orders inside the RFM window."""
    window_amount: int = 0
    """M: net amount inside the RFM window, unreferenced refunds included."""
    birthday: str = ""
    guide: str = ""
    zone: str = ""
    level: str = ""
    tags: tuple[str, ...] = ()
    """Those he has, sorted."""
    consents: dict[str, Consent] = {}
    """By "channel/purpose"."""
    contacts: dict[str, str] = {}
    """Contact field → alias under which it was sealed."""
    messages: dict[str, int] = {}
    """Counts by status."""
    ids: tuple[str, ...] = ()
    """Other ids of this person that were taken over, ascending."""
    erased: int = 0
    """Instant up to which this person was erased, ms; 0: never."""


class ProfileStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The profile at one instant and what made it so."""

    at: int
    cause: Cause
    profile: Profile
    happened: tuple[Happened, ...] = ()


class ProfileUpdated(Bundle, frozen=True, kw_only=True, tag="profile.updated"):
    """Profile → segmenter."""

    steps: tuple[ProfileStep, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A customer moved in one dimension: lifecycle, sleep_warning ("yes"/"no") or rfm."""

    dimension: Literal["lifecycle", "sleep_warning", "rfm"]
    before: str
    after: str
    at: int
    """When it became true."""
    cause: Cause


class Segments(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the customer stands: lifecycle stage, sleep warning, RFM scores (0 = not scored) and class."""

    lifecycle: str = "none"
    sleep_warning: bool = False
    r: int = 0
    f: int = 0
    m: int = 0
    rfm: str = "none"
    cuts: int = 0
    """Epoch of the cuts by which the scores were given."""


class SegmentStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Profile and segments at one instant, what happened and what changed."""

    at: int
    cause: Cause
    profile: Profile
    segments: Segments
    happened: tuple[Happened, ...] = ()
    changes: tuple[Change, ...] = ()


class SegmentsUpdated(Bundle, frozen=True, kw_only=True, tag="segments.updated"):
    """Segmenter → trigger engine."""

    steps: tuple[SegmentStep, ...] = ()


class SegmentChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="segment.changed"):
    """segment-changes-v1, the public log: one record per change, `seq` gap-free per customer from 1."""

    customer: str
    seq: int
    dimension: str
    before: str
    after: str
    cause: Cause
    effective_at: int
    detected_at: int
    cuts: int
    """Epoch of the cuts in force."""
    event: str = ""
    """Id of the event that caused it, if one did."""


class SegmentSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="segment.snapshot"):
    """segments-v1, the public snapshot: where the customer stands after change `seq`."""

    customer: str
    seq: int
    segments: Segments
    orders: int
    total: int
    as_of: int


class HistogramChunk(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="histogram.chunk"):
    """Absolute counts of one measure in one partition at an epoch: value → customers, for values of this chunk."""

    partition: int
    epoch: int
    measure: Literal["recency", "frequency", "monetary"]
    chunk: int
    counts: dict[int, int]


class EpochMarked(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="epoch.marked"):
    """All chunks of this partition for this epoch stand before this record."""

    partition: int
    epoch: int
    population: int
