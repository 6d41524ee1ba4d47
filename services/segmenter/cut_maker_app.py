"""The cut maker's shell: histograms in, cuts out to every partition of the front; decides nothing (see cuts.py)."""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from services.segmenter.cuts import CutMaker
from shared.contract.broadcasts import CutsPublished
from shared.contract.codec import encode
from shared.contract.histograms import EpochMarked, HistogramChunk
from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS, RFM_HISTOGRAMS
from shared.kafka import clients
from shared.log import Log

POLL_MS = 200
BACK_OFF = 1.0
"""Seconds between attempts to reach the broker."""

log = Log("segmenter.cuts")
_decode = msgspec.json.Decoder(HistogramChunk | EpochMarked).decode


async def run_cut_maker(bootstrap: str, stop: asyncio.Event) -> None:
    """Until `stop`: read rfm-histograms-v1 from its beginning and broadcast the cuts of every epoch that completes.

    Of the epochs that were complete at the start only the latest is published, again: duplicates are harmless. Several
    cut makers at once are harmless, too: equal histograms give equal records.
    """
    reader = clients.reader(bootstrap)
    await reader.start()
    try:
        await _follow(reader, bootstrap, stop)
    finally:
        await reader.stop()


async def _follow(reader: AIOKafkaConsumer, bootstrap: str, stop: asyncio.Event) -> None:
    place = TopicPartition(RFM_HISTOGRAMS.name, 0)
    reader.assign([place])
    start = (await reader.end_offsets([place]))[place]
    await reader.seek_to_beginning(place)
    maker, latest = CutMaker(), None
    while await reader.position(place) < start and not stop.is_set():
        for cuts in await _completed(reader, maker):
            latest = cuts
    if latest is not None:
        await broadcast(bootstrap, latest, stop)
    while not stop.is_set():
        for cuts in await _completed(reader, maker):
            await broadcast(bootstrap, cuts, stop)


async def _completed(reader: AIOKafkaConsumer, maker: CutMaker) -> list[CutsPublished]:
    """The cuts that one poll completed, in order."""
    found = []
    for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
        for record in records:
            try:
                cuts = maker.take(_decode(record.value or b""))
            except msgspec.DecodeError as error:  # its partition's next marker will not add up and count for nothing
                log.warning("histogram unreadable", offset=record.offset, reason=error)
                continue
            if cuts is not None:
                found.append(cuts)
    return found


async def broadcast(bootstrap: str, cuts: CutsPublished, stop: asyncio.Event) -> None:
    """Write the cuts to every partition of the front; returns when all have acknowledged, or at `stop`."""
    waiting, value = set(range(PARTITIONS)), encode(cuts)
    while waiting and not stop.is_set():
        try:
            async with clients.producer(bootstrap) as producer:
                await _publish(producer, value, waiting)
        except KafkaError as error:
            log.warning("cuts not acknowledged yet", epoch=cuts.epoch, partitions=sorted(waiting), reason=error)
            await _pause(stop)
    if not waiting:
        log.info("cuts published", epoch=cuts.epoch, digest=cuts.digest, population=cuts.population)


async def _publish(producer: AIOKafkaProducer, value: bytes, waiting: set[int]) -> None:
    """Takes out of `waiting` what is acknowledged; raises the first refusal after all have answered."""
    partitions = sorted(waiting)
    acks = [await producer.send(CUSTOMER_EVENTS.name, value=value, partition=partition) for partition in partitions]
    refused = None
    for partition, answer in zip(partitions, await asyncio.gather(*acks, return_exceptions=True), strict=True):
        if isinstance(answer, BaseException):
            refused = answer
        else:
            waiting.discard(partition)
    if refused is not None:
        raise refused


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), BACK_OFF)
    except TimeoutError:
        return
