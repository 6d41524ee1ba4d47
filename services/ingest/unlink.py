"""Splits an identifier off from its person, and lists members that were never merged. Knows ids and the log; not HTTP."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from aiokafka import TopicPartition

from services.ingest.identifiers import Identifier, Kind, Pepper, identify
from shared.contract.codec import decode_front, encode
from shared.contract.identity import IdentityConflict, Unlinked
from shared.contract.partitioner import partition_of
from shared.contract.topics import CUSTOMER_EVENTS
from shared.engine.fold.batch import Emit
from shared.ids import CUSTOMER_ID_LENGTH
from shared.kafka.clients import producer, reader

_ID: Final = re.compile(rf"[a-g][0-9a-f]{{{CUSTOMER_ID_LENGTH - 1}}}", re.ASCII)
_CONFLICT: Final = b'"identity.conflict"'


def alias_of(kind: Kind, value: str, pepper: Pepper) -> str:
    """The id of an identifier; IdentifierRefusedError says why it names nobody."""
    return identify([Identifier(kind, value)], pepper).customer_id


def alias_from(text: str) -> str:
    """An id as it stands in decisions and tables; ValueError if it is none."""
    if _ID.fullmatch(text) is None:
        raise ValueError("is no customer id: a letter from a to g and 32 hex digits")
    return text


def unlink_record(alias: str) -> Emit:
    """To the id itself: as a redirect it passes the record on, behind its own state, to whoever holds the person."""
    key = alias.encode()
    return Emit(CUSTOMER_EVENTS.name, partition_of(key), key, encode(Unlinked(alias)))


async def send_unlink(bootstrap: str, alias: str) -> None:
    """Returns once the broker has the record."""
    record = unlink_record(alias)
    async with producer(bootstrap) as client:
        await client.send_and_wait(record.topic, record.value, record.key, record.partition)


async def conflicts(bootstrap: str) -> Counter[tuple[str, str, str]]:
    """(member, other member, the id that both were named with) → how often the log says so."""
    found: Counter[tuple[str, str, str]] = Counter()
    async with reader(bootstrap) as client:
        places = [TopicPartition(CUSTOMER_EVENTS.name, number) for number in range(CUSTOMER_EVENTS.partitions)]
        client.assign(places)
        ends = await client.end_offsets(places)
        left = {place for place, end in ends.items() if end}
        await client.seek_to_beginning(*places)
        while left:
            for batch in (await client.getmany(timeout_ms=500)).values():
                for record in batch:
                    if record.value is not None and _CONFLICT in record.value:
                        told = decode_front(record.value)
                        if isinstance(told, IdentityConflict):
                            found[*told.members, told.alias] += 1
            left = {place for place in left if await client.position(place) < ends[place]}
    return found
