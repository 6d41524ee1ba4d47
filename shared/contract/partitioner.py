"""Customer id → partition by murmur2, as Kafka's own Java client computes it.

The hash stands here and not in a client library, because every fold needs it and a fold imports no client.
Tests hold it equal to aiokafka's implementation.
"""

from __future__ import annotations

import struct
from typing import Final

from shared.contract.topics import PARTITIONS

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_32_BITS: Final = 0xFFFFFFFF


def partition_of(key: bytes, partitions: int = PARTITIONS) -> int:
    """The partition of a customer-keyed topic for this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """The 32-bit MurmurHash2 of a key, unsigned, with Kafka's seed (Austin Appleby, public domain)."""
    size = len(key)
    words = size >> 2
    mixed = _SEED ^ size
    for word in struct.unpack_from(f"<{words}I", key):
        spread = word * _MIX & _32_BITS
        mixed = (mixed * _MIX & _32_BITS) ^ ((spread ^ spread >> 24) * _MIX & _32_BITS)
    rest = key[words << 2 :]
    if rest:
        mixed = (mixed ^ int.from_bytes(rest, "little")) * _MIX & _32_BITS
    mixed = (mixed ^ mixed >> 13) * _MIX & _32_BITS
    return mixed ^ mixed >> 15
