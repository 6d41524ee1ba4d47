"""What the host relies on of a broker and its clients, as clauses that run against the real one and against the simulated one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, MessageSizeTooLargeError

from tests.support.broker_stage import Stage, Told, fetching_until, handed, joined, put, records, send, until

Clause = Callable[[Stage], Coroutine[Any, Any, None]]
BIG = os.urandom(20_000)
"""Does not shrink by compression; too large for `small` topics."""


# --- logs


async def appended_in_order_at_contiguous_offsets(stage: Stage) -> None:
    topic = await stage.topic()
    await send(stage, topic, b"0", b"1", b"2", partition=1)
    reader, place = stage.cluster.reader(), TopicPartition(topic, 1)
    await reader.start()
    assert await reader.beginning_offsets([place]) == {place: 0}
    assert await reader.end_offsets([place, place._replace(partition=0)]) == {place: 3, place._replace(partition=0): 0}
    reader.assign([place])
    await reader.seek_to_beginning(place)
    assert await reader.position(place) == 0
    found = await records(reader, 3)
    assert await reader.position(place) == 3
    await reader.stop()

    assert [(r.topic, r.partition, r.offset, r.key, r.value) for r in found] == [
        (topic, 1, offset, b"key", str(offset).encode()) for offset in range(3)
    ]
    assert [tuple(r.headers) for r in found] == [(("a", b"b"),)] * 3
    assert 0 <= found[0].timestamp <= found[1].timestamp <= found[2].timestamp


async def a_batch_says_when_it_is_full(stage: Stage) -> None:
    producer = stage.cluster.producer()
    await producer.start()
    batch, taken = producer.create_batch(), 0
    while batch.append(key=None, value=BIG, timestamp=None, headers=[]) is not None:
        taken += 1
        assert taken < 1000
    await producer.stop()

    assert taken > 0


async def an_answer_names_the_first_offset(stage: Stage) -> None:
    topic, producer = await stage.topic(), stage.cluster.producer()
    await producer.start()
    answers = await put(producer, topic, b"0", b"1")
    await producer.stop()

    assert [answer.offset for answer in answers] == [0, 1]


async def a_refused_batch_rejects_its_future_and_the_next_of_a_fresh_producer_is_taken(stage: Stage) -> None:
    topic, producer = await stage.topic(small=True), stage.cluster.producer()
    await producer.start()
    refused = await handed(producer, topic, BIG)
    overtakes = await handed(producer, topic, b"next")
    with pytest.raises(MessageSizeTooLargeError):
        await refused
    answer = await overtakes
    await producer.stop()

    assert answer.offset == 0


# --- what a consumer is given


async def paused_places_are_not_fetched(stage: Stage) -> None:
    topic = await stage.topic()
    one, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    reader = stage.cluster.reader()
    await reader.start()
    reader.assign([one, other])
    reader.pause(one)
    await send(stage, topic, b"paused", partition=0)
    await send(stage, topic, b"open", partition=1)
    assert [r.value for r in await records(reader, 1)] == [b"open"]
    assert await reader.getmany(timeout_ms=300) == {}
    reader.resume(one)
    assert [r.value for r in await records(reader, 1)] == [b"paused"]
    await reader.stop()


async def a_seek_wins_over_the_position_and_over_what_was_fetched_ahead(stage: Stage) -> None:
    topic = await stage.topic()
    await send(stage, topic, *(str(number).encode() for number in range(6)))
    reader, place = stage.cluster.reader(), TopicPartition(topic, 0)
    await reader.start()
    reader.assign([place])
    reader.seek(place, 3)
    assert (await records(reader, 1))[0].offset == 3
    reader.seek(place, 1)
    assert [r.offset for r in (await reader.getmany(timeout_ms=5000, max_records=1))[place]] == [1]
    reader.seek(place, 5)
    assert (await records(reader, 1))[0].offset == 5
    await reader.stop()


async def seeking_what_is_not_assigned_is_an_error(stage: Stage) -> None:
    topic, reader = await stage.topic(), stage.cluster.reader()
    await reader.start()
    reader.assign([TopicPartition(topic, 0)])
    await reader.seek_to_beginning(TopicPartition(topic, 0))
    for act in (lambda place: reader.seek(place, 0), reader.pause, reader.resume):
        with pytest.raises(IllegalStateError):
            act(TopicPartition(topic, 1))
    await reader.stop()


# --- groups


async def commits_and_their_metadata_outlive_the_members(stage: Stage) -> None:
    topic, group = await stage.topic(), stage.group()
    assert await stage.cluster.commits(group, topic) == {}
    member = await joined(stage, group, topic)
    await member.commit({TopicPartition(topic, 2): (7, "7:abc")})
    await member.commit({TopicPartition(topic, 2): (6, "6:def"), TopicPartition(topic, 3): (1, "")})
    await member.stop()
    found = await stage.cluster.commits(group, topic)

    assert {number: (c.offset, c.metadata) for number, c in found.items()} == {2: (6, "6:def"), 3: (1, "")}


async def a_member_begins_at_the_commit_and_without_one_at_the_beginning(stage: Stage) -> None:
    topic, group = await stage.topic(), stage.group()
    for partition in (0, 1):
        await send(stage, topic, b"0", b"1", partition=partition)
    first = await joined(stage, group, topic)
    await first.commit({TopicPartition(topic, 0): (1, "")})
    await first.stop()
    second = await joined(stage, group, topic)
    found = await records(second, 3)
    await second.stop()

    assert sorted((r.partition, r.offset) for r in found) == [(0, 1), (1, 0), (1, 1)]


async def a_rebalance_revokes_everything_before_it_assigns_a_share(stage: Stage) -> None:
    topic, group, told = await stage.topic(), stage.group(), Told()
    first = await joined(stage, group, topic, told)
    await until(lambda: len(told.heard) == 2)
    assert told.heard == [("revoked", 0), ("assigned", 4)]
    seen: list[bool] = []

    async def commit() -> None:
        """The generation that ends may still commit, and what is not revoked yet is still assigned."""
        await first.commit({TopicPartition(topic, 0): (5, "last")})
        seen.append(len(first.assignment()) == 4)

    told.act = commit
    second_told = Told()
    joining = asyncio.create_task(joined(stage, group, topic, second_told))
    await fetching_until(lambda: len(told.heard) == 4 and joining.done() and len(second_told.heard) == 2, first)
    second = joining.result()

    assert (told.heard[2:], seen) == ([("revoked", 4), ("assigned", 2)], [True])
    assert second_told.heard == [("revoked", 0), ("assigned", 2)]
    assert len(first.assignment() | second.assignment()) == 4
    assert (await stage.cluster.commits(group, topic))[0].metadata == "last"
    foreign = next(iter(second.assignment()))
    with pytest.raises(IllegalStateError):
        await first.commit({foreign: (9, "")})

    told.act = None
    await second.stop()
    await fetching_until(lambda: told.heard[4:] == [("revoked", 2), ("assigned", 4)], first)
    await first.stop()


async def a_member_that_fell_silent_is_replaced_cannot_commit_and_can_still_write(stage: Stage) -> None:
    """Nothing in a broker stops a zombie's produce: fences must."""
    topic, group, told = await stage.topic(), stage.group(), Told()
    zombie, producer = await joined(stage, group, topic, told), stage.cluster.producer()
    await producer.start()
    await until(lambda: len(told.heard) == 2)
    stage.silence(zombie)
    heir = await joined(stage, group, topic)

    assert len(heir.assignment()) == len(zombie.assignment()) == 4
    with pytest.raises(CommitFailedError):
        await zombie.commit({TopicPartition(topic, 0): (1, "zombie")})
    assert await stage.cluster.commits(group, topic) == {}
    assert (await put(producer, topic, b"zombie"))[0].offset == 0
    await producer.stop()
    await until(lambda: told.heard[2:3] == [("revoked", 4)])
    both = asyncio.gather(heir.stop(), zombie.stop())
    await both


CLAUSES: tuple[Clause, ...] = (
    appended_in_order_at_contiguous_offsets,
    a_batch_says_when_it_is_full,
    an_answer_names_the_first_offset,
    a_refused_batch_rejects_its_future_and_the_next_of_a_fresh_producer_is_taken,
    paused_places_are_not_fetched,
    a_seek_wins_over_the_position_and_over_what_was_fetched_ahead,
    seeking_what_is_not_assigned_is_an_error,
    commits_and_their_metadata_outlive_the_members,
    a_member_begins_at_the_commit_and_without_one_at_the_beginning,
    a_rebalance_revokes_everything_before_it_assigns_a_share,
    a_member_that_fell_silent_is_replaced_cannot_commit_and_can_still_write,
)
