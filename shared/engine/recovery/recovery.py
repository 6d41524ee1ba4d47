"""State from the changelog and the place to go on from; serves nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from shared.engine.fold.checksum import checksum
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule
from shared.engine.recovery.effects import Appended, Targets, persist
from shared.engine.state.head import PARTITION_KEY
from shared.engine.step.partition import Partition
from shared.log import Log

READ = 20_000
"""Records per poll while a changelog is read."""


class Replayed(NamedTuple):
    """What reading one changelog partition showed beside the state."""

    end: int
    """Offset after the last record read."""
    lost: set[bytes]
    """Keys whose last record is not the winner: somebody wrote after he had been replaced (rule 9)."""


async def replay(
    reader: AIOKafkaConsumer, changelog: str, partitions: dict[int, Partition[Any]], log: Log, *, off: Off = ALL_ON
) -> dict[int, Replayed]:
    """Stream the changelog of these partitions into their memory, to the ends that stand when it starts (rule 10)."""
    places = {TopicPartition(changelog, number): core for number, core in partitions.items()}
    if not places:
        return {}
    reader.assign(list(places))
    ends = await reader.end_offsets(list(places))
    await reader.seek_to_beginning(*places)
    waiting = {place for place in places if ends[place] > 0}
    lost: dict[TopicPartition, set[bytes]] = {place: set() for place in places}
    read, shown = 0, 0
    while waiting:
        for place, records in (await reader.getmany(timeout_ms=200, max_records=READ)).items():
            _restore(places[place], records, lost[place], off)
            read += len(records)
            ends[place] = max(ends[place], records[-1].offset + 1)
        if read - shown >= 10 * READ:
            shown = read
            log.info("recovering", changelog=changelog, records=read, partitions_left=len(waiting))
        waiting = {place for place in waiting if await reader.position(place) < ends[place]}
    for core in partitions.values():
        core.restored()
        await asyncio.sleep(0)  # a million states take longer than a session lasts: heartbeats go in between
    customers = sum(len(core.store) for core in partitions.values())
    log.info("recovered", changelog=changelog, partitions=sorted(partitions), records=read, customers=customers)
    return {place.partition: Replayed(ends[place], lost[place]) for place in places}


def _restore(core: Partition[Any], records: Sequence[Any], lost: set[bytes], off: Off) -> None:
    for record in records:
        if Rule.RECOVER_WHOLE in off and record.key != PARTITION_KEY:
            continue
        if record.value is not None and record.key is not None:
            if not core.restore(record.key, record.value):
                lost.add(record.key)
            elif lost:
                lost.discard(record.key)


async def put_again(
    targets: Targets, changelog: str, number: int, core: Partition[Any], lost: set[bytes]
) -> Sequence[Appended] | None:
    """Write the winners of these keys once more, so that each stands last whatever compaction keeps (rule 9)."""
    winners = [(key, core.store.get(key)) for key in sorted(lost - {PARTITION_KEY})]
    customers = [(key, value) for key, value in winners if value is not None]
    batch = msgspec.structs.replace(core.drain(), customers=customers)
    return await persist(targets, changelog, number, batch)


async def positions(
    reader: AIOKafkaConsumer,
    topic: str,
    partitions: dict[int, Partition[Any]],
    committed: dict[int, OffsetAndMetadata],
    *,
    off: Off = ALL_ON,
) -> dict[int, int]:
    """Where each partition goes on: where its changelog stands (rule 2); stops if the log does not fit (rule 8).

    A commit above that means that the changelog lost its end: what is folded again is fenced by the hops behind.
    """
    places = {number: TopicPartition(topic, number) for number in partitions}
    starts = await reader.beginning_offsets(list(places.values()))
    ends = await reader.end_offsets(list(places.values()))
    answer = {}
    for number, core in partitions.items():
        commit, position = committed.get(number), core.next
        if commit and Rule.CHANGELOG_POSITION in off:
            position = max(position, commit.offset)
        start, end = starts[places[number]], ends[places[number]]
        highest = max(position, commit.offset if commit else 0)
        fits = (start if highest else 0) <= position and highest <= end
        if Rule.CONTIGUOUS not in off and not fits:
            msg = f"{topic}[{number}]: should go on at offset {position}, but the log holds {start} to {end}: records are missing, or the log was made anew"
            raise BrokenInvariantError(msg)
        core.next = answer[number] = max(position, start)
    if Rule.CHECKSUM not in off:
        await _verify(reader, places, starts, _applied(committed, answer))
    return answer


def _applied(committed: dict[int, OffsetAndMetadata], answer: dict[int, int]) -> Iterable[tuple[int, int, str]]:
    """(partition, offset of the last applied record, its checksum) for commits that carry one."""
    for number in answer:
        commit = committed.get(number)
        if commit and commit.metadata and commit.offset > 0:
            yield number, commit.offset - 1, commit.metadata


async def _verify(
    reader: AIOKafkaConsumer,
    places: dict[int, TopicPartition],
    starts: dict[TopicPartition, int],
    applied: Iterable[tuple[int, int, str]],
) -> None:
    wanted = {places[number]: (offset, mark) for number, offset, mark in applied if offset >= starts[places[number]]}
    if not wanted:
        return
    reader.assign(list(wanted))
    for place, (offset, _) in wanted.items():
        reader.seek(place, offset)
    while wanted:
        for place, records in (await reader.getmany(timeout_ms=200)).items():
            expected = wanted.pop(place, None)
            if expected is None:
                continue
            reader.pause(place)
            found = checksum(records[0])
            if found != expected[1]:
                msg = (
                    f"{place.topic}[{place.partition}]: the last applied record was {expected[1]}, "
                    f"the log now holds {found} there: the log lost or changed records"
                )
                raise BrokenInvariantError(msg)
