"""The cut maker's shell: histograms in, cuts out to every partition of the front; decides nothing (see cuts.py)."""

from __future__ import annotations

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.segmenter.cuts import CutMaker
from shared.contract.broadcasts import CutsPublished
from shared.contract.codec import encode
from shared.contract.histograms import EpochMarked, HistogramChunk
from shared.contract.topics import CUSTOMER_EVENTS, RFM_HISTOGRAMS
from shared.kafka import clients
from shared.kafka.broadcast import Broadcast, until_acknowledged
from shared.log import Log
from shared.telemetry.meters import Counter
from shared.telemetry.telemetry import Telemetry

POLL_MS = 200
HISTOGRAMS, BROKER = "histograms", "broker"

log = Log("segmenter.cuts")
_decode = msgspec.json.Decoder(HistogramChunk | EpochMarked).decode


async def run_cut_maker(bootstrap: str, stop: asyncio.Event, telemetry: Telemetry | None = None) -> None:
    """Until `stop`: read rfm-histograms-v1 from its beginning and broadcast the cuts of every epoch that completes.

    Of the epochs that were complete at the start only the latest is published, again: duplicates are harmless. Several
    cut makers at once are harmless, too: equal histograms give equal records.
    """
    reader = clients.reader(bootstrap)
    await reader.start()
    try:
        await _follow(reader, bootstrap, stop, telemetry or Telemetry())
    finally:
        await reader.stop()


async def _follow(reader: AIOKafkaConsumer, bootstrap: str, stop: asyncio.Event, telemetry: Telemetry) -> None:
    health, meters = telemetry.health, telemetry.meters
    read = meters.counter("huitou_input_records_total").labels(RFM_HISTOGRAMS.name)
    published = meters.counter("huitou_cuts_published_total")
    health.waits(HISTOGRAMS, "read from the beginning")
    place = TopicPartition(RFM_HISTOGRAMS.name, 0)
    reader.assign([place])
    start = (await reader.end_offsets([place]))[place]
    await reader.seek_to_beginning(place)
    maker, latest = CutMaker(), None
    while await reader.position(place) < start and not stop.is_set():
        for cuts in await _completed(reader, maker, read):
            latest = cuts
    health.there(HISTOGRAMS)
    fresh = [] if latest is None else [latest]
    while not stop.is_set():
        for cuts in fresh:
            health.waits(BROKER, "has not all of the latest cuts")
            published.inc(await broadcast(bootstrap, cuts, stop))
            health.there(BROKER)
        fresh = await _completed(reader, maker, read)


async def _completed(reader: AIOKafkaConsumer, maker: CutMaker, read: Counter) -> list[CutsPublished]:
    """The cuts that one poll completed, in order; `read` counts its records."""
    found = []
    for records in (await reader.getmany(timeout_ms=POLL_MS)).values():
        read.inc(len(records))
        for record in records:
            try:
                cuts = maker.take(_decode(record.value or b""))
            except msgspec.DecodeError as error:  # its partition's next marker will not add up and count for nothing
                log.warning("histogram unreadable", offset=record.offset, reason=error)
                continue
            if cuts is not None:
                found.append(cuts)
    return found


async def broadcast(bootstrap: str, cuts: CutsPublished, stop: asyncio.Event) -> bool:
    """Write the cuts to every partition of the front; True when all have acknowledged, False at `stop`."""
    record = Broadcast(CUSTOMER_EVENTS, encode(cuts))
    await until_acknowledged(bootstrap, record, name=f"cuts of epoch {cuts.epoch}", stop=stop)
    if not record.left:
        log.info("cuts published", epoch=cuts.epoch, digest=cuts.digest, population=cuts.population)
    return not record.left
