"""Bundles of ordered steps that a hop sends to the next one: the profile, then the segments."""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.contract.origin import Origin


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
