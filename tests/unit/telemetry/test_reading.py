"""What the readers into PostgreSQL tell: the same for notifier and console."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition

from shared.contract.topics import CONTACT_POINTS, OUTREACH_COMMANDS
from shared.telemetry.reading import Reading
from shared.telemetry.registry import Registry
from shared.telemetry.telemetry import Telemetry

COMMANDS = TopicPartition(OUTREACH_COMMANDS.name, 0)
CONTACTS = TopicPartition(CONTACT_POINTS.name, 1)


class Consumer:
    """As much of aiokafka's as is asked."""

    def __init__(self) -> None:
        self.first = {COMMANDS: 40, CONTACTS: 0}
        self.ends = {COMMANDS: 50, CONTACTS: 2}
        self.mine = frozenset(self.ends)

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: self.first[place] for place in places}

    def assignment(self) -> frozenset[TopicPartition]:
        return self.mine

    def highwater(self, place: TopicPartition) -> int:
        assert place in self.mine
        return self.ends[place]


class Read:
    """A record."""

    def __init__(self, offset: int) -> None:
        self.offset, self.timestamp = offset, 1


class Seen:
    """A reading whose series can be read."""

    def __init__(self) -> None:
        registry = Registry("notifier")
        self.telemetry = Telemetry(registry)
        self.reading = Reading(self.telemetry, live=False)
        self.consumer: Any = Consumer()
        self._registry = registry.registry

    def __call__(self, name: str, place: TopicPartition | None = None, **labels: str) -> float | None:
        if place is not None:
            labels = {"topic": place.topic, "partition": str(place.partition)}
        return self._registry.get_sample_value(name, labels)


@pytest.fixture
def seen() -> Seen:
    return Seen()


async def test_lag_is_counted_from_the_position_or_from_where_the_log_begins(seen: Seen) -> None:
    await seen.reading.begins({COMMANDS: 3, CONTACTS: 1}, seen.consumer)
    seen.reading.look(seen.consumer)

    assert seen("huitou_assigned_partitions") == 2
    assert seen("huitou_lag_records", COMMANDS) == 10, "what retention took is no lag"
    assert seen("huitou_lag_records", CONTACTS) == 1


async def test_a_stored_batch_counts_by_topic(seen: Seen) -> None:
    await seen.reading.begins({COMMANDS: 40, CONTACTS: 0}, seen.consumer)
    with seen.reading.batch({COMMANDS: [Read(40), Read(41)], CONTACTS: [Read(1)]}):
        pass
    seen.reading.refused(1)
    seen.reading.look(seen.consumer)

    assert seen("huitou_input_records_total", topic=COMMANDS.topic) == 2
    assert seen("huitou_input_records_total", topic=CONTACTS.topic) == 1
    assert seen("huitou_poison_records_total") == 1
    assert seen("huitou_batch_seconds_count") == 1
    assert (seen("huitou_lag_records", COMMANDS), seen("huitou_lag_records", CONTACTS)) == (8, 0)


async def test_a_batch_that_was_not_stored_counts_nothing(seen: Seen) -> None:
    await seen.reading.begins({COMMANDS: 40}, seen.consumer)
    with pytest.raises(ConnectionError), seen.reading.batch({COMMANDS: [Read(49)]}):
        raise ConnectionError
    seen.reading.look(seen.consumer)

    assert seen("huitou_input_records_total", topic=COMMANDS.topic) is None
    assert seen("huitou_lag_records", COMMANDS) == 10


async def test_partitions_that_went_to_another_member_are_not_asked_for(seen: Seen) -> None:
    await seen.reading.begins({COMMANDS: 40, CONTACTS: 0}, seen.consumer)
    seen.consumer.mine = frozenset({CONTACTS})
    seen.reading.look(seen.consumer)
    seen.reading.joins()

    assert seen("huitou_lag_records", COMMANDS) is None
    assert seen.telemetry.health.waiting() == {"reader": "joining the group"}


def test_it_is_ready_when_its_reader_says_so(seen: Seen) -> None:
    seen.reading.waits("the database does not take a batch")
    waiting = seen.telemetry.health.waiting()
    seen.reading.there()

    assert waiting == {"reader": "the database does not take a batch"}
    assert seen.telemetry.health.waiting() == {}
