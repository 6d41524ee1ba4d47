"""The records of the services' topics become the dicts that the checkers compare."""

from __future__ import annotations

import msgspec

from shared.contract.broadcasts import Tick
from shared.contract.bundles import Happened, Profile, Segments, SegmentStep, SegmentsUpdated
from shared.contract.codec import encode
from shared.contract.commands import CancelMessage
from shared.contract.dead_letters import DeadLetter
from shared.contract.origin import Origin
from shared.contract.public_records import CandidateDecided, DeliveryDecided, SegmentChanged, SegmentSnapshot
from shared.contract.rejected_events import RejectedEvent
from shared.contract.topics import ROLL_KEY
from tests.oracle import outputs
from tests.oracle.reader import LogRecord, by_partition


def record(value: msgspec.Struct, key: str | None = "ann", offset: int = 0, partition: int = 0) -> LogRecord:
    return LogRecord(partition, offset, 0, None if key is None else key.encode(), encode(value))


def bundle(offset: int, orders: int, event: str) -> SegmentsUpdated:
    happened = (Happened(what="order.placed", id=event, at=1),)
    step = SegmentStep(
        at=1, cause="event", profile=Profile(orders=orders), segments=Segments(f=orders), happened=happened
    )
    return SegmentsUpdated(origin=Origin(1, 0, offset), as_of=1, steps=(step,))


def test_the_bundle_of_the_highest_origin_is_the_latest_and_repeats_count_once() -> None:
    first, second = bundle(3, 1, "a"), bundle(9, 2, "b")
    told = [record(first), record(second), record(first), record(second), record(Tick(as_of=5), key=None)]
    end = outputs.chain_end(told)
    assert (end.profiles["ann"].orders, end.segments["ann"].f) == (2, 2)
    assert end.effects == {"ann": {"a": 1, "b": 1}}


def test_the_same_event_under_two_origins_is_two_effects() -> None:
    end = outputs.chain_end([record(bundle(3, 1, "a")), record(bundle(4, 2, "a"))])
    assert end.effects == {"ann": {"a": 2}}


def test_decisions_and_announced_states_are_told_apart() -> None:
    decided = CandidateDecided(
        id="d",
        customer="ann",
        rule="r",
        trigger_key="k",
        effective_at=1,
        decided_at=1,
        verdict="skip",
        reason="cap",
        policy=1,
    )
    delivered = [
        DeliveryDecided(id=s, command_id="c", customer="ann", rule="r", channel="sms", state=s, at=1)
        for s in ("sent", "delivered")
    ]
    told = outputs.decisions_of([record(decided), *(record(one) for one in delivered)])
    assert told == ([decided], {"c": {"sent", "delivered"}})


def test_snapshots_keep_the_latest_and_pass_over_tombstones() -> None:
    told = [
        record(SegmentSnapshot(customer="ann", seq=n, segments=Segments(f=n), orders=n, total=n, as_of=n))
        for n in (1, 2)
    ]
    taken_out = [LogRecord(0, 9, 0, key, None) for key in (b"bob", ROLL_KEY)]
    assert outputs.snapshots_of([*told, *taken_out]) == {"ann": Segments(f=2)}


def test_other_topics_are_read_as_they_are() -> None:
    change = SegmentChanged(
        customer="ann",
        seq=1,
        dimension="rfm",
        before="none",
        after="x",
        cause="cuts",
        effective_at=1,
        detected_at=1,
        cuts=1,
    )
    cancel = CancelMessage(command_id="c", customer="ann", reason="x", decided_at=1)
    dead = DeadLetter(
        service="profile", topic="t", partition=0, offset=1, customer="", reason="x", arrived=0, sealed=""
    )
    rejected = RejectedEvent(id="e", source="s", path="$", reason="x", sealed="", received_at=0)
    assert outputs.changes_of([record(change)]) == [change]
    assert outputs.commands_of([record(cancel)]) == [cancel]
    assert outputs.dead_letters_of([record(dead)]) == [dead]
    assert outputs.rejected_of([record(rejected)]) == {"e"}
    assert outputs.name_of(cancel) == "cancel c"


def test_records_are_sorted_by_partition_and_offset() -> None:
    told = [record(Tick(as_of=1), offset=offset, partition=part) for part, offset in ((1, 5), (0, 2), (1, 4), (0, 1))]
    parts = by_partition(told)
    assert {part: [one.offset for one in found] for part, found in parts.items()} == {0: [1, 2], 1: [4, 5]}
