"""The policy that the trigger engine has in force, from the end of its changelog. Knows where it is kept; judges nothing."""

from __future__ import annotations

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.contract.broadcasts import PolicyPublished
from shared.contract.topics import PARTITIONS, changelog
from shared.engine.state.head import PARTITION_KEY, decode_values
from shared.kafka.clients import reader

LOOK_BACK = 2_000
"""Records at the end of a partition among which its values stand: they are written last in every round."""
SECONDS = 10.0
_decode = msgspec.json.Decoder(PolicyPublished).decode


async def policy_in_force(bootstrap: str) -> PolicyPublished | None:
    """The highest that any partition holds; None if none was published, or the trigger engine never ran."""
    topic = changelog("trigger_engine").name
    consumer = reader(bootstrap)
    try:
        await consumer.start()
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place, end in ends.items():
            consumer.seek(place, max(0, end - LOOK_BACK))
        found: list[PolicyPublished] = []
        left = {place for place, end in ends.items() if end}
        while left:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    if record.key == PARTITION_KEY and record.value:
                        kept = decode_values(record.value).broadcasts
                        found += [_decode(raw) for tag, (raw, _) in kept.items() if tag == "policy.published"]
            left = {place for place in left if await consumer.position(place) < ends[place]}
    except KafkaError:
        return None
    finally:
        await consumer.stop()
    return max(found, key=lambda one: one.number, default=None)
