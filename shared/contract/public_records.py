"""Records that other systems read: segment changes, segment snapshots, decisions and their reasons."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from shared.contract.bundles import Cause, Segments
from shared.contract.facts import Channel


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
    into: str | msgspec.UnsetType = msgspec.UNSET
    """Dimension `identity` alone: the customer id that counts for this one from now on."""


class SegmentSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="segment.snapshot"):
    """segments-v1, the public snapshot: where the customer stands after change `seq`."""

    customer: str
    seq: int
    segments: Segments
    orders: int
    total: int
    as_of: int


Verdict = Literal["send", "defer", "skip"]


class Gate(msgspec.Struct, frozen=True, array_like=True):
    """One gate's verdict, e.g. ("consent", "pass", "sms")."""

    name: str
    verdict: Literal["pass", "defer", "skip"]
    detail: str = ""


class CandidateDecided(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="candidate.decided"
):
    """Why a candidate was sent, deferred or skipped: one record per candidate and decision."""

    id: str
    customer: str
    rule: str
    trigger_key: str
    effective_at: int
    decided_at: int
    verdict: Verdict
    reason: str
    """Name of the deciding gate, "sent" for a send; see docs/semantics.md for the list."""
    until: int | None = None
    """Deferred: when it is looked at again."""
    gates: tuple[Gate, ...] = ()
    facts: dict[str, Any] = {}
    commands: tuple[str, ...] = ()
    policy: int


class DeliveryDecided(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="delivery.decided"
):
    """What the notifier decided about a command: its terminal state and reason."""

    id: str
    command_id: str
    customer: str
    rule: str
    channel: Channel
    state: str
    reason: str = ""
    at: int
