"""Every topic of the product in one table: the architecture as data; knows names and shapes, opens no connection."""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.contract import (
    broadcasts,
    bundles,
    commands,
    contact_points,
    facts,
    histograms,
    identity,
    public_records,
    rejected_events,
)
from shared.contract import dead_letters as deadletters

PARTITIONS = 12
"""Partition count of every topic keyed by customer; never changed in place."""
EPOCH = 1
"""First component of every origin: a log is never recreated under the same name."""
MAX_RECORD = 1_000_000
"""Bytes a record may have; larger outputs are poison (rule 11)."""
DAY = 86_400_000

Service = Literal["ingest", "profile", "segmenter", "trigger_engine", "notifier", "console", "public"]


class Feedback(msgspec.Struct, frozen=True):
    """An edge against the stream, allowed because what it carries enters as a new fact, a broadcast or a marked hand-over."""

    producer: Service
    reason: str


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table; `config` holds the broker's settings by their own names."""

    name: str
    key: str
    models: tuple[type, ...]
    producers: tuple[Service, ...]
    consumers: tuple[Service, ...]
    config: dict[str, str]
    partitions: int = PARTITIONS
    feedback: tuple[Feedback, ...] = ()


LATE = 3_600_000
"""Milliseconds within which the broker looks for what has expired (five minutes by default) and removes its files (one)."""
ROLL_KEY = b"roll"
"""Key of the record that makes Kafka close a segment (T8): null value, no headers, into every partition of `ROLLED`."""


def _delete(days: int, **more: str) -> dict[str, str]:
    """No record is kept for longer than `days`: retention counts from the last record of its segment."""
    segment = DAY if days >= 30 else DAY // 4
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY - segment - LATE),
        "segment.ms": str(segment),
    } | {k.replace("_", "."): v for k, v in more.items()}


def _compact(**more: str) -> dict[str, str]:
    return {"cleanup.policy": "compact", "max.compaction.lag.ms": str(DAY)} | {
        k.replace("_", "."): v for k, v in more.items()
    }


CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    "segment.bytes": str(64 << 20),
    "segment.ms": str(3_600_000),
    "min.cleanable.dirty.ratio": "0.2",
    "min.compaction.lag.ms": str(600_000),
    "max.compaction.lag.ms": str(DAY),
}

BROADCASTS: tuple[type, ...] = broadcasts.Broadcast.__args__

CUSTOMER_EVENTS = Topic(
    name="customer-events-v1",
    key="customer id; broadcasts have none and go to every partition",
    models=(
        *facts.CustomerFact.__args__,
        *BROADCASTS,
        identity.Linked,
        identity.Unlinked,
        identity.IdentityConflict,
        identity.Fragment,
        identity.Forwarded,
    ),
    producers=("ingest", "profile", "segmenter", "trigger_engine", "notifier", "console"),
    consumers=("profile", "console"),
    config=_delete(90, message_timestamp_type="LogAppendTime"),
    feedback=(
        Feedback(
            producer="profile",
            reason="forwards and fragments to another id, marked with source key and origin; requests by command, fenced",
        ),
        Feedback(producer="segmenter", reason="cuts are broadcast, fenced by version"),
        Feedback(producer="notifier", reason="message facts are new facts with derived ids"),
        Feedback(producer="trigger_engine", reason="policy is broadcast by command, fenced by version"),
        Feedback(producer="console", reason="a record that is replayed is a new fact under the id it had"),
    ),
)
CONTACT_POINTS = Topic(
    name="contact-points-v1",
    key="customer id/field, in the customer's own partition: compaction keeps every field",
    models=(contact_points.ContactPoint,),
    producers=("ingest", "profile", "notifier"),
    consumers=("notifier",),
    config=_compact(segment_ms=str(DAY // 4)),
    feedback=(
        Feedback(
            producer="notifier", reason="writes again what holds where an older record came last; equal ones rest"
        ),
    ),
)
PROFILE_UPDATES = Topic(
    name="profile-updates-v1",
    key="customer id; broadcasts have none",
    models=(bundles.ProfileUpdated, *BROADCASTS, identity.Fragment),
    producers=("profile", "segmenter", "console"),
    consumers=("segmenter",),
    config=_delete(7),
    feedback=(
        Feedback(producer="console", reason="cuts or policy that a partition could not adopt, fenced by version"),
        Feedback(producer="segmenter", reason="fragments handed over to another id, marked with source key and origin"),
    ),
)
SEGMENT_UPDATES = Topic(
    name="segment-updates-v1",
    key="customer id; broadcasts have none",
    models=(bundles.SegmentsUpdated, *BROADCASTS, identity.Fragment),
    producers=("segmenter", "trigger_engine", "console"),
    consumers=("trigger_engine",),
    config=_delete(7),
    feedback=(
        Feedback(producer="console", reason="cuts or policy that a partition could not adopt, fenced by version"),
        Feedback(
            producer="trigger_engine", reason="fragments handed over to another id, marked with source key and origin"
        ),
    ),
)
SEGMENT_CHANGES = Topic(
    name="segment-changes-v1",
    key="customer id",
    models=(public_records.SegmentChanged,),
    producers=("segmenter",),
    consumers=("console", "public"),
    config=_delete(90),
)
SEGMENTS = Topic(
    name="segments-v1",
    key="customer id",
    models=(public_records.SegmentSnapshot,),
    producers=("segmenter",),
    consumers=("console", "public"),
    config=_compact(segment_ms=str(DAY // 4)),
)
RFM_HISTOGRAMS = Topic(
    name="rfm-histograms-v1",
    key="partition/measure/chunk, or partition/marker",
    models=(histograms.HistogramChunk, histograms.EpochMarked),
    producers=("segmenter",),
    consumers=("segmenter",),
    config=_compact(),
    partitions=1,
    feedback=(
        Feedback(producer="segmenter", reason="from its partitions to its cut maker; absolute values with their epoch"),
    ),
)
OUTREACH_COMMANDS = Topic(
    name="outreach-commands-v1",
    key="customer id",
    models=commands.OutreachCommand.__args__,
    producers=("trigger_engine", "console"),
    consumers=("notifier", "console"),
    config=_delete(14),
    feedback=(Feedback(producer="console", reason="a command that is replayed: the outbox takes an id once"),),
)
OUTREACH_DECISIONS = Topic(
    name="outreach-decisions-v1",
    key="customer id",
    models=(public_records.CandidateDecided, public_records.DeliveryDecided),
    producers=("trigger_engine", "notifier"),
    consumers=("console",),
    config=_delete(90),
)
PROVIDER_RECEIPTS = Topic(
    name="provider-receipts-v1",
    key="provider reference",
    models=(),
    producers=("ingest", "console"),
    consumers=("notifier",),
    config=_delete(14),
    feedback=(Feedback(producer="console", reason="a receipt that is replayed: kept once, applied once"),),
)
REJECTED_EVENTS = Topic(
    name="rejected-events-v1",
    key="source",
    models=(rejected_events.RejectedEvent,),
    producers=("ingest",),
    consumers=("console",),
    config=_delete(30),
)
DEAD_LETTERS = Topic(
    name="dead-letters-v1",
    key="original key",
    models=(deadletters.DeadLetter,),
    producers=("profile", "segmenter", "trigger_engine", "notifier"),
    consumers=("console",),
    config=_delete(30),
)

ROLLED: tuple[Topic, ...] = (CONTACT_POINTS, SEGMENTS)
"""Compacted and about persons: ingest's clock writes roll records there, so that what was deleted goes on idle partitions too."""


def changelog(service: Service) -> Topic:
    """The state of a stateful service: its own, created by us, compacted (rule 12)."""
    name = f"{service.replace('_', '-')}-changelog"
    return Topic(
        name=name,
        key="customer id, or the partition's own values",
        models=(),
        producers=(),
        consumers=(),
        config=CHANGELOG_CONFIG,
    )


STATEFUL: tuple[Service, ...] = ("profile", "segmenter", "trigger_engine")

TOPICS: tuple[Topic, ...] = (
    CUSTOMER_EVENTS,
    CONTACT_POINTS,
    PROFILE_UPDATES,
    SEGMENT_UPDATES,
    SEGMENT_CHANGES,
    SEGMENTS,
    RFM_HISTOGRAMS,
    OUTREACH_COMMANDS,
    OUTREACH_DECISIONS,
    PROVIDER_RECEIPTS,
    REJECTED_EVENTS,
    DEAD_LETTERS,
    *(changelog(service) for service in STATEFUL),
)
