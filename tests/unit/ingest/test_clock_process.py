"""The clock writes time into every partition, and stays silent where time comes with the data."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.errors import KafkaConnectionError

from services.ingest import clock_process
from services.ingest.clock_process import run_clock, tick
from services.ingest.settings import ClockSettings
from shared.contract.broadcasts import Tick
from shared.contract.codec import decode_front
from shared.contract.topics import PARTITIONS
from shared.telemetry.telemetry import Telemetry


class RecordingProducer:
    """Keeps what it was handed; acknowledges when `release` is called."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, int | None]] = []
        self.acks: list[asyncio.Future[object]] = []

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> asyncio.Future[object]:
        self.sent.append((topic, value, partition))
        self.acks.append(asyncio.get_running_loop().create_future())
        return self.acks[-1]

    def release(self) -> None:
        for ack in self.acks:
            if not ack.done():
                ack.set_result(None)


async def test_a_tick_reaches_every_partition_and_returns_when_all_have_it() -> None:
    producer = RecordingProducer()
    writing = asyncio.create_task(tick(producer, 1_700_000_000_000, scenario=True))
    await asyncio.sleep(0)
    assert not writing.done()
    producer.release()
    await writing
    assert [partition for _, _, partition in producer.sent] == list(range(PARTITIONS))
    values = {value for topic, value, _ in producer.sent if topic == "customer-events-v1"}
    assert [decode_front(value or b"") for value in values] == [Tick(as_of=1_700_000_000_000, scenario=True)]


async def test_a_failed_acknowledgement_is_no_success() -> None:
    producer = RecordingProducer()
    writing = asyncio.create_task(tick(producer, 1, scenario=False))
    await asyncio.sleep(0)
    producer.acks[3].set_exception(ConnectionError("gone"))
    producer.release()
    with pytest.raises(ConnectionError):
        await writing


async def test_on_a_scenario_stack_the_live_clock_waits_and_opens_no_connection() -> None:
    stop = asyncio.Event()
    telemetry = Telemetry()
    running = asyncio.create_task(run_clock(ClockSettings(kafka="127.0.0.1:1", scenario=True), stop, telemetry))
    await asyncio.sleep(0.05)
    assert not running.done()
    assert telemetry.health.waiting() == {}, "there is nothing that it could wait for"
    stop.set()
    await asyncio.wait_for(running, 1)


async def test_a_clock_whose_broker_is_away_is_alive_and_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry, stop = Telemetry(), asyncio.Event()

    async def away(*_: object) -> None:
        raise KafkaConnectionError

    monkeypatch.setattr(clock_process, "_tick_on", away)
    monkeypatch.setattr(clock_process, "RETRY_SECONDS", 0.01)
    running = asyncio.create_task(run_clock(ClockSettings(kafka="127.0.0.1:1"), stop, telemetry))
    await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(running, 1)

    assert telemetry.health.waiting() == {"broker": "does not take ticks"}
    assert telemetry.health.hung() == {}
