"""Prepared records into the log, acknowledged, paced, and remembered on disk so that a kill costs a chunk. Knows Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final, Protocol

import msgspec
from aiokafka import AIOKafkaProducer

from services.ingest.chain_lag import ChainLag
from services.ingest.imports.jobs import Job, Status
from services.ingest.imports.pace import CHUNK
from shared.contract.frames import Frame, frames
from shared.contract.prepared_records import prepared_records
from shared.kafka.clients import producer

LINGER_MS: Final = 5
WAIT_SECONDS: Final = 0.02
TOLD_AFTER_SECONDS: Final = 2.0
"""A short wait is the ordinary pace, and nothing to tell."""


class Progress(Protocol):
    """Who is told how far it is."""

    def start(self, total: int) -> None:
        """The number of groups of facts."""

    def advance(self, sent: int, note: str) -> None:
        """`sent` more are in the log; `note` says why it waits, if it does."""


async def send(bootstrap: str, job: Job, progress: Progress, *, most: int) -> Status:
    """Send what is left of the job's records, at most `most` on their way through the chain at once.

    KafkaError if the broker fails; the same call then goes on where it stopped.
    Between acknowledgement and note a kill repeats at most one chunk; ids make that harmless.
    """
    status = job.status()
    progress.start(status.total)
    progress.advance(status.sent, "")
    client = producer(bootstrap, linger_ms=LINGER_MS)
    await client.start()
    try:
        async with ChainLag(bootstrap) as chain:
            with job.records.open("rb") as file:
                for chunk in _chunks(frames(file, status.position)):
                    await _acknowledged(client, chunk)
                    status = msgspec.structs.replace(
                        status, sent=status.sent + len(chunk), position=chunk[-1].end, note=""
                    )
                    job.tell(status)
                    progress.advance(len(chunk), "")
                    await _let_the_chain_follow(chain, most, progress)
    finally:
        await client.stop()
    return status


def _chunks(left: Iterator[Frame]) -> Iterator[list[Frame]]:
    chunk: list[Frame] = []
    for frame in left:
        chunk.append(frame)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _acknowledged(client: AIOKafkaProducer, chunk: list[Frame]) -> None:
    acks = [
        await client.send(topic, value, key, partition, headers=headers)
        for frame in chunk
        for topic, partition, key, value, headers in prepared_records(frame.body)
    ]
    await asyncio.gather(*acks)


async def _let_the_chain_follow(chain: ChainLag, most: int, progress: Progress) -> None:
    waited = 0.0
    while (behind := await chain.records()) is not None and behind > most:
        waited += WAIT_SECONDS
        if waited > TOLD_AFTER_SECONDS:
            progress.advance(0, f"the chain is {behind} records behind, waiting")
        await asyncio.sleep(WAIT_SECONDS)
