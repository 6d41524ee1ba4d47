"""The stored form of one customer's state: a fixed binary head, rarely a hand-over part, then the service's msgpack body."""

from __future__ import annotations

import struct

import msgspec

from shared.chain import NEVER, NOWHERE, Gone, Origin

_HEAD = struct.Struct(">BBHHqIQq")
"""schema, flags, origin (epoch, partition, offset, step), counter, due: 34 bytes."""
_FROZEN, _LINKS = 1, 2
STATE_LIMIT = 512 << 10
"""Bytes above which a state is frozen (rule 11)."""


SENT_BACK = "/"
"""Ends the source of records that an id sent back, so that their marks are no absorbed ids."""


class Links(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What hand-over leaves on a key: only ids that were ever linked have one."""

    redirect: str = ""
    """The id that holds the state now."""
    marks: dict[str, Origin] = {}
    """Highest origin taken over per source id."""
    seen: tuple[str, ...] = ()
    """Ids that events named for this person."""
    absorbed: tuple[tuple[str, ...], ...] = ()
    """What the earlier hops had absorbed, by the latest bundle."""
    refused: tuple[str, ...] = ()
    """Ids that events named, but that belong to another member."""
    under: dict[str, str] = {}
    """Absorbed id → the id to which it was handed, where that is not this one."""
    gone: dict[str, Gone] = {}
    """Ids once absorbed, or on their way here, that were split off."""
    left: Origin = NOWHERE
    """Of a redirect: the origin of the hand-over."""

    def told(self, hop: int) -> tuple[tuple[str, ...], ...]:
        """What each of the `hop` hops before had absorbed; nothing where one has never spoken of it."""
        return self.absorbed + ((),) * (hop - len(self.absorbed))

    def held(self, name: str) -> tuple[str, ...]:
        """The ids whose state `name`, the owner of these links, has absorbed and still holds, ascending."""
        ids = self.marks.keys() - self.gone.keys() - {name}
        return tuple(sorted(alias for alias in ids if not alias.endswith(SENT_BACK)))


NO_LINKS = Links()
_encode = msgspec.msgpack.Encoder().encode
_decode_links = msgspec.msgpack.Decoder(Links).decode


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the engine keeps beside the service's body."""

    schema: int = 1
    origin: Origin = NOWHERE
    counter: int = 0
    """Rises with every applied step; the highest wins at recovery."""
    due: int = NEVER
    frozen: bool = False
    links: Links = NO_LINKS


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


class PartitionValues(msgspec.Struct, frozen=True, array_like=True):
    """What the partition itself remembers, stored as ONE changelog record, last of its batch; `next` is its counter (rule 2)."""

    next: int = 0
    """Next input offset."""
    last: Origin = NOWHERE
    """Highest origin taken, raised by fragments (rule 5)."""
    clock: int = 0
    broadcasts: dict[str, tuple[bytes, int]] = {}
    """Tag → the broadcast in force and the clock when it came into force."""
    balance: int = 0
    """Failures beyond successes (shared/streams/poison_limit.py): a restart must not forget them."""


PARTITION_KEY = b"\xff partition"
"""Reserved changelog key of the partition values; no customer id can equal it (not UTF-8)."""
encode_values = _encode
decode_values = msgspec.msgpack.Decoder(PartitionValues).decode
