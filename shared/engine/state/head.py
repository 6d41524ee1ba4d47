"""The stored form of one customer: a fixed binary head, rarely a hand-over part, then the msgpack body of the service."""

from __future__ import annotations

import struct

import msgspec

from shared.contract.origin import Origin
from shared.engine.state.stored import NO_LINKS, Head, Links, PartitionValues

_HEAD = struct.Struct(">BBHHqIQq")
"""schema, flags, origin (epoch, partition, offset, step), counter, due: 34 bytes."""
_FROZEN, _LINKS = 1, 2
STATE_LIMIT = 512 << 10
"""Bytes above which a state is frozen (rule 11)."""
_encode = msgspec.msgpack.Encoder().encode
_decode_links = msgspec.msgpack.Decoder(Links).decode


def pack(head: Head, body: bytes) -> bytes:
    """The stored value."""
    linked = head.links is not NO_LINKS and head.links != NO_LINKS
    flags = (_FROZEN if head.frozen else 0) | (_LINKS if linked else 0)
    packed = _HEAD.pack(head.schema, flags, *head.origin, head.counter, head.due)
    if not linked:
        return packed + body
    links = _encode(head.links)
    return packed + len(links).to_bytes(4, "big") + links + body


def unpack(value: bytes) -> tuple[Head, bytes]:
    """Head and body of a stored value."""
    schema, flags, epoch, partition, offset, step, counter, due = _HEAD.unpack_from(value)
    start, links = _HEAD.size, NO_LINKS
    if flags & _LINKS:
        size = int.from_bytes(value[start : start + 4], "big")
        links = _decode_links(value[start + 4 : start + 4 + size])
        start += 4 + size
    head = Head(schema, Origin(epoch, partition, offset, step), counter, due, bool(flags & _FROZEN), links)
    return head, value[start:]


def counter_of(value: bytes) -> int:
    """The step counter alone (recovery compares it for every record)."""
    return int.from_bytes(value[18:26], "big")


def due_of(value: bytes) -> int:
    """The due instant alone."""
    return int.from_bytes(value[26:34], "big", signed=True)


PARTITION_KEY = b"\xff partition"
"""Reserved changelog key of the partition values; no customer id can equal it (not UTF-8)."""
encode_values = _encode
decode_values = msgspec.msgpack.Decoder(PartitionValues).decode
