"""The cut maker's shell: who has acknowledged is not asked again."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from services.segmenter import cut_maker_app
from shared.contract.broadcasts import CutsPublished
from shared.contract.codec import decode_front
from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS
from shared.telemetry.registry import Registry
from shared.telemetry.telemetry import Telemetry
from tests.support.refusing import refusing

CUTS = CutsPublished(epoch=60_000, digest="d", cuts=None, population=0)


async def test_only_partitions_that_refused_are_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = refusing(monkeypatch, KafkaTimeoutError(), down={1, 2})
    await cut_maker_app.broadcast("", CUTS, asyncio.Event())

    assert broker.asked == [list(range(PARTITIONS)), [1, 2]]
    assert sorted(partition for _, partition, _ in broker.taken) == list(range(PARTITIONS))
    assert {topic for topic, _, _ in broker.taken} == {CUSTOMER_EVENTS.name}
    assert {decode_front(value) for _, _, value in broker.taken} == {CUTS}


async def test_whoever_shall_stop_writes_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker, stop = refusing(monkeypatch), asyncio.Event()
    stop.set()
    with caplog.at_level("INFO"):
        await cut_maker_app.broadcast("", CUTS, stop)

    assert broker.taken == []
    assert "cuts published" not in caplog.text


class Histograms:
    """A reader of histograms: two records to read at first, one more later; stops the cut maker after that."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop, self._polls = stop, [2, 1]
        self._at = 0

    def assign(self, _: object) -> None:
        return

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 2)

    async def seek_to_beginning(self, _: TopicPartition) -> None:
        return

    async def position(self, _: TopicPartition) -> int:
        return self._at

    async def getmany(self, *, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        count = self._polls.pop(0)
        if not self._polls:
            self._stop.set()
        self._at += count
        return {TopicPartition("t", 0): [Record(b"no histogram", number) for number in range(count)]}


class Record(NamedTuple):
    value: bytes
    offset: int


async def test_it_is_ready_once_it_has_read_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    registry, stop = Registry("cuts"), asyncio.Event()
    telemetry = Telemetry(registry)
    waiting: list[dict[str, str]] = []
    completed = cut_maker_app._completed

    async def watched(*arguments: Any) -> list[CutsPublished]:
        waiting.append(telemetry.health.waiting())
        await completed(*arguments)
        return [CutsPublished(epoch=1, digest="d", cuts=None, population=0)]

    async def broadcast(*_: object) -> bool:
        waiting.append(telemetry.health.waiting())
        return True

    monkeypatch.setattr(cut_maker_app, "_completed", watched)
    monkeypatch.setattr(cut_maker_app, "broadcast", broadcast)
    await cut_maker_app._follow(Histograms(stop), "", stop, telemetry)

    assert waiting == [
        {"histograms": "read from the beginning"},
        {"broker": "has not all of the latest cuts"},
        {},
    ]
    assert registry.registry.get_sample_value("huitou_input_records_total", {"topic": "rfm-histograms-v1"}) == 3
    assert registry.registry.get_sample_value("huitou_cuts_published_total") == 1
