"""The cut maker's shell: who has acknowledged is not asked again."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaTimeoutError

from services.segmenter import cut_maker_app
from shared.contract.broadcasts import CutsPublished
from shared.contract.codec import decode_front
from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS
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
