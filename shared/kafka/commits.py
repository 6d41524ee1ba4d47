"""Committed offsets of a consumer group, or the error that its coordinator answered."""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.structs import OffsetAndMetadata

COORDINATOR_SECONDS: Final = 30.0
"""Longest time in which a coordinator may move, load or be made."""
PAUSE_SECONDS: Final = 0.2

_PASSING = (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError, GroupLoadInProgressError)


async def committed(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
    """Next offset to read and metadata, by partition, of everything that the group committed.

    A coordinator that is just moving, loading or being made is asked again for 30 s, then TimeoutError.
    Raises KafkaError for any other answer.
    """
    async with asyncio.timeout(COORDINATOR_SECONDS):
        while True:
            try:
                return await _ask(admin, group)
            except _PASSING:
                await asyncio.sleep(PAUSE_SECONDS)


async def _ask(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, OffsetAndMetadata]:
    # aiokafka 0.14's list_consumer_group_offsets drops the error of the whole answer: a coordinator that loads its
    # partition looks like a group that never committed.
    node = await admin.find_coordinator(group)
    answer = await admin._send_request(OffsetFetchRequest(group, None), node)  # noqa: SLF001
    found: dict[TopicPartition, OffsetAndMetadata] = {}
    errors = [answer.error_code]
    for topic, partitions in answer.topics:
        for partition, offset, metadata, error in partitions:
            errors.append(error)
            if offset >= 0:
                found[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata)
    for code in filter(None, errors):
        raise for_code(code)(f"commits of {group}")
    return found
