"""What a host tells of itself: partitions before it is ready, batches and decisions as they leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition

from shared.contract.codec import encode
from shared.contract.public_records import CandidateDecided, Verdict
from shared.contract.topics import DEAD_LETTERS, OUTREACH_DECISIONS, SEGMENT_UPDATES
from shared.engine.fold.batch import Counts, Emit
from shared.engine.host.watch import Watch
from shared.engine.recovery.counted_sink import CountedSink
from shared.engine.recovery.effects import Appended
from shared.telemetry.health import WORK_WITHIN_SECONDS
from shared.telemetry.registry import Registry
from shared.telemetry.telemetry import Telemetry

TOPIC = SEGMENT_UPDATES.name


class Standing:
    """A recovered partition."""

    def __init__(self, following: int) -> None:
        self.next = following


class Read:
    """A record that was fetched."""

    def __init__(self, offset: int) -> None:
        self.offset, self.timestamp = offset, 0


class Seen:
    """A watch whose series can be read."""

    def __init__(self, process: str = "trigger-engine") -> None:
        registry = Registry(process)
        self.telemetry = Telemetry(registry)
        self.watch = Watch(self.telemetry, TOPIC, live=False)
        self._registry = registry.registry

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_worker_is_ready_when_each_of_its_partitions_is_recovered(seen: Seen) -> None:
    health, watch = seen.telemetry.health, seen.watch
    watch.joins("joining the group")
    joining = health.waiting()
    watch.stands({0, 1, 2}, {0: Standing(5)})
    recovering = health.waiting()
    watch.stands({0, 1, 2}, {number: Standing(5) for number in range(3)})
    ready = health.waiting()
    watch.joins("being assigned anew")

    assert joining == {"partitions": "joining the group"}
    assert recovering == {"partitions": "recovering 2 of 3"}
    assert ready == {}
    assert health.waiting() == {"partitions": "being assigned anew"}


def test_a_worker_without_a_partition_has_nothing_to_recover(seen: Seen) -> None:
    seen.watch.stands(set(), {})

    assert seen.telemetry.health.waiting() == {}
    assert seen("huitou_assigned_partitions") == 0


def test_a_batch_counts_what_was_taken_in_it(seen: Seen) -> None:
    counts = Counts(records=100, ticks=10, poison=1)
    with seen.watch.batch(counts):
        counts.records += 7
        counts.ticks += 2
        counts.poison += 3
    seen.watch.tell()

    assert seen("huitou_input_records_total", topic=TOPIC) == 7
    assert seen("huitou_input_ticks_total", topic=TOPIC) == 2
    assert seen("huitou_poison_records_total") == 3
    assert seen("huitou_batch_seconds_count") == 1


def test_a_batch_that_fails_counts_nothing(seen: Seen) -> None:
    counts = Counts()

    def fail() -> None:
        with seen.watch.batch(counts):
            counts.records += 7
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    seen.watch.tell()
    assert seen("huitou_input_records_total", topic=TOPIC) == 0
    assert seen("huitou_batch_seconds_count") == 0


class Broker:
    """Satisfies Sink; refuses what is said to be refused."""

    def __init__(self) -> None:
        self.refuses = False

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> Sequence[Appended] | None:
        if self.refuses:
            raise ConnectionError
        return [Appended(0, len(records))]


def decided(verdict: Verdict, reason: str) -> Emit:
    decision = CandidateDecided(
        id="d", customer="c", rule="r", trigger_key="k", effective_at=1, decided_at=2, verdict=verdict, reason=reason,
        policy=1,
    )  # fmt: skip
    return Emit(OUTREACH_DECISIONS.name, 0, b"c", encode(decision))


async def test_what_leaves_is_counted_once_the_broker_has_it(seen: Seen) -> None:
    broker = Broker()
    sink = CountedSink(broker, seen.watch.sent)
    decisions = [decided("send", "sent"), decided("skip", "consent"), decided("skip", "consent")]
    await sink.send(OUTREACH_DECISIONS.name, 0, decisions)
    await sink.send(DEAD_LETTERS.name, 0, [Emit(DEAD_LETTERS.name, 0, b"c", b"{}")] * 2)
    broker.refuses = True
    with pytest.raises(ConnectionError):
        await sink.send(OUTREACH_DECISIONS.name, 0, decisions)
    seen.watch.tell()

    assert seen("huitou_decisions_total", verdict="send", reason="sent") == 1
    assert seen("huitou_decisions_total", verdict="skip", reason="consent") == 2
    assert seen("huitou_output_records_total", topic=OUTREACH_DECISIONS.name) == 3
    assert seen("huitou_dead_letters_total") == 2


def test_lag_is_what_is_behind_the_folded_records(seen: Seen) -> None:
    place, ends = TopicPartition(TOPIC, 4), {TopicPartition(TOPIC, 4): 20}
    seen.watch.stands({4}, {4: Standing(10)})
    seen.watch.turned({place: [Read(10), Read(11)]}, ends.get)

    assert seen("huitou_lag_records", topic=TOPIC, partition="4") == 8
    seen.watch.joins("being assigned anew")
    assert seen("huitou_lag_records", topic=TOPIC, partition="4") is None


def test_what_was_counted_is_told_with_the_look_at_the_ends(seen: Seen) -> None:
    counts = Counts()
    for _ in range(2):
        with seen.watch.batch(counts):
            counts.records += 5
    before = seen("huitou_input_records_total", topic=TOPIC)
    seen.watch.turned({}, lambda _: None)

    assert (before, seen("huitou_input_records_total", topic=TOPIC), seen("huitou_batch_seconds_count")) == (0, 10, 2)


def test_balance_and_owned_partitions_are_asked_when_they_are_read(seen: Seen) -> None:
    balances = [7]
    seen.watch.owns(lambda: len(balances), lambda: sum(balances))
    balances.append(5)

    assert (seen("huitou_owned_partitions"), seen("huitou_poison_balance")) == (2, 12)


def test_an_acknowledgement_is_progress_and_a_recovery_takes_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, now = Seen(), [0.0]
    monkeypatch.setattr(seen.telemetry.health, "_monotonic", lambda: now[0])
    with seen.watch.turn():
        now[0] = WORK_WITHIN_SECONDS - 1
        seen.watch.sent("t", [])
        now[0] = 2 * WORK_WITHIN_SECONDS - 2
        busy = seen.telemetry.health.hung()
        now[0] += 2
        stuck = seen.telemetry.health.hung()
    with seen.watch.turn():
        seen.watch.recovers()
        now[0] += 10 * WORK_WITHIN_SECONDS
        recovering = seen.telemetry.health.hung()

    assert (busy, set(stuck), recovering) == ({}, {"turn"}, {})


def test_without_a_listener_no_end_is_asked_for_and_nothing_is_decoded() -> None:
    def never(_: Any) -> int:
        raise AssertionError

    watch = Watch(None, TOPIC, live=True)
    watch.stands({0}, {0: Standing(0)})
    watch.turned({}, never)
    watch.sent(OUTREACH_DECISIONS.name, [Emit(OUTREACH_DECISIONS.name, 0, b"c", b"no json")])
