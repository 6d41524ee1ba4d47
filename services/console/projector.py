"""The console's tables as a projection of its topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, final

from aiokafka import AIOKafkaConsumer

from services.console.records import TOPICS, read_batch
from services.console.store import Store
from shared import clock
from shared.kafka.projector import Place, Projection, Projector
from shared.log import Log
from shared.telemetry.telemetry import Telemetry

LOG = Log(__name__)
GROUP: Final = "console"
MOST_RECORDS: Final = 5_000
"""Records per transaction."""
GATHER_S: Final = 0.1
RETRY_S: Final = 1.0
FORGET_MS: Final = 60_000


def projector(
    consumer: AIOKafkaConsumer, store: Store, *, scenario: bool, telemetry: Telemetry | None = None
) -> Projector:
    """The loop that keeps the console's tables; while the database is away it waits."""
    telemetry = telemetry or Telemetry()
    return Projector(
        consumer,
        ConsoleTables(store, scenario=scenario, telemetry=telemetry),
        log=LOG,
        most=MOST_RECORDS,
        gather_s=GATHER_S,
        retry_s=RETRY_S,
        telemetry=telemetry,
        live=not scenario,
    )


@final
class ConsoleTables(Projection):
    """Batches go to the store; what is long past is forgotten once a minute."""

    topics = TOPICS

    def __init__(self, store: Store, *, scenario: bool, telemetry: Telemetry) -> None:
        self._store, self._scenario = store, scenario
        self._poison = telemetry.meters.counter("huitou_poison_records_total")
        self._forgot = 0

    async def positions(self) -> Mapping[Place, int]:
        """See `Projection`."""
        return await self._store.positions()

    async def take(self, records: Sequence[Any]) -> Mapping[Place, int]:
        """Records below the stored positions are passed over."""
        batch = await self._store.take(lambda known: read_batch(records, known, scenario=self._scenario))
        self._poison.inc(batch.unreadable)
        if batch.unreadable:
            LOG.warning("records passed over that cannot be read", records=batch.unreadable)
        return batch.positions

    async def turned(self, consumer: AIOKafkaConsumer) -> None:
        """Drop what is long past, once a minute."""
        now = clock.now_ms()
        if now - self._forgot > FORGET_MS:
            self._forgot = now
            await self._store.forget(now)
