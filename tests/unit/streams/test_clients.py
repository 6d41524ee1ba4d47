"""What the producers' settings do to bytes, where aiokafka itself has no word for them."""

from __future__ import annotations

from aiokafka import codec
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.kafka.clients import BATCH_BYTES

HEAD = 61
"""Bytes of a record batch before its records."""
PLAIN, LZ4 = 0, 3
"""Kafka's numbers of the codecs."""


def _batch(compression: int) -> bytes:
    batch = BatchBuilder(BATCH_BYTES, compression)
    for number in range(200):
        batch.append(timestamp=0, key=b"key-%d" % number, value=b'{"number":%d,"square":%d}' % (number, number**2))
    return bytes(batch._build())


def test_record_batches_are_packed_at_level_1() -> None:
    records, packed = _batch(PLAIN)[HEAD:], _batch(LZ4)[HEAD:]
    assert packed == codec.lz4_encode(records, 1)
    assert packed != codec.lz4_encode(records, 9)
