"""`python -m tests.bench.aggregator.quix`: the job on Quix Streams, in an environment of its own (tests/bench/peers/quix.lock)."""

from __future__ import annotations

from typing import Any

from quixstreams import Application, message_context
from quixstreams.models.topics import TopicConfig

from tests.bench.aggregator.job import apply
from tests.bench.aggregator.told import Told, told


def run(names: Told) -> None:
    """Until the process ends."""
    application = Application(
        broker_address=names.bootstrap,
        consumer_group=names.job,
        auto_offset_reset="earliest",
        commit_interval=1.0,
        state_dir=names.directory,
        processing_guarantee="at-least-once",
        producer_extra_config={
            "linger.ms": 5,
            "compression.type": "lz4",
            "enable.idempotence": True,
            "queue.buffering.max.messages": 200_000,
        },
        consumer_extra_config={
            "group.instance.id": names.instance,
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 3_000,
            "fetch.wait.max.ms": 100,
        },
    )
    shape = TopicConfig(num_partitions=names.partitions, replication_factor=1)
    events = application.topic(names.input, key_deserializer="bytes", value_deserializer="bytes", config=shape)
    answers = application.topic(names.answers, key_serializer="bytes", value_serializer="bytes", config=shape)

    def take(value: bytes, _key: Any, timestamp: int, _headers: Any, state: Any) -> bytes:
        here = message_context()
        kept, said = apply(
            state.get_bytes("kept"), value, partition=here.partition, offset=here.offset, appended=timestamp
        )
        state.set_bytes("kept", kept)
        return said

    frame = application.dataframe(events).apply(take, stateful=True, metadata=True)
    application.run(frame.to_topic(answers))


if __name__ == "__main__":
    run(told())
