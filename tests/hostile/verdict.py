"""The sums: outcomes against inputs, and what stands in the topics against what was told. Knows records; sends nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from aiokafka import TopicPartition

from shared.contract.codec import decode_front
from shared.contract.facts import Fact
from shared.contract.rejected_events import RejectedEvent
from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS, REJECTED_EVENTS
from shared.kafka.clients import reader
from tests.hostile.attack import Outcome


class Topics(NamedTuple):
    """What one source left behind."""

    stored: Counter[str]
    """Facts by event id."""
    rejected: int
    """Rejected events, each content once."""
    bad: int
    """Records of customer-events-v1 that cannot be read, or that nobody should have let in."""


class Sums(NamedTuple):
    """The account of one attack."""

    requests: int
    events: int
    """Offered, well or ill."""
    stored: int
    refused: int
    """With their request, or by their result: the sender was told."""
    rejected: int
    """Among the rejected events."""
    failures: int
    """Requests whose answer was 500 or above to the end."""
    again: int
    """Requests sent again after a 503."""
    slowest_ms: int
    wrong: tuple[str, ...]
    """Everything that is not as it must be; empty: passed."""


async def topics_of(kafka: str, source: str) -> Topics:
    """Read both topics from the beginning."""
    stored: Counter[str] = Counter()
    bad = 0
    for value in await _values(kafka, CUSTOMER_EVENTS.name):
        try:
            record = decode_front(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            bad += value.find(source.encode()) >= 0
            continue
        if isinstance(record, Fact) and record.source == source:
            stored[record.id] += 1
            bad += not record.id.startswith("good")
    decoder = msgspec.json.Decoder(RejectedEvent)
    events = [decoder.decode(value) for value in await _values(kafka, REJECTED_EVENTS.name)]
    return Topics(stored, len({event.id for event in events if event.source == source}), bad)


def add_up(outcomes: Sequence[Outcome], topics: Topics) -> Sums:
    """Each event offered is stored, told to be refused, or among the rejected events; once, and as it must be."""
    wrong = [f"{each.case.name}: {each.status}, {each.surprise}" for each in outcomes if each.surprise]
    wanted = {event_id for each in outcomes for event_id in each.case.stored}
    wrong += [f"{event_id} is not stored" for event_id in sorted(wanted - topics.stored.keys())]
    wrong += [f"{event_id} is stored" for event_id in sorted(topics.stored.keys() - wanted)]
    again = {event_id for each in outcomes if each.tries > 1 for event_id in each.case.stored}
    wrong += [
        f"{event_id} is stored {n} times" for event_id, n in topics.stored.items() if n > 1 and event_id not in again
    ]
    if topics.bad:
        wrong.append(f"{topics.bad} bad records in {CUSTOMER_EVENTS.name}")
    events = sum(len(each.case.stored) + each.case.kept_out for each in outcomes)
    told = [each for each in outcomes if not _told_by_topic(each)]
    refused = sum(each.kept_out for each in told)
    stored = len(topics.stored)
    if stored + refused + topics.rejected != events:
        wrong.append(f"{stored} stored + {refused} refused + {topics.rejected} rejected are not {events}")
    return Sums(
        requests=len(outcomes),
        events=events,
        stored=stored,
        refused=refused,
        rejected=topics.rejected,
        failures=sum(each.status >= 500 for each in outcomes),
        again=sum(each.tries > 1 for each in outcomes),
        slowest_ms=max((each.took_ms for each in outcomes), default=0),
        wrong=tuple(wrong),
    )


def _told_by_topic(outcome: Outcome) -> bool:
    return outcome.case.path.startswith("/v1/") and outcome.status == 200


async def _values(kafka: str, topic: str) -> list[bytes]:
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = reader(kafka)
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        await consumer.seek_to_beginning(*places)
        found: list[bytes] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(record.value for record in records if record.value)
        return found
    finally:
        await consumer.stop()
