"""Commands, contacts and receipts as a projection into the notifier's database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, final

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.notifier import intake_store
from services.notifier.bell import Bell
from services.notifier.intake import Batch, Seal, read_batch
from services.notifier.outbox import Outbox
from services.notifier.state import Move, State
from shared.contract.topics import CONTACT_POINTS, OUTREACH_COMMANDS, PROVIDER_RECEIPTS
from shared.engine.fold.poison_limit import check_balance
from shared.kafka.projector import Place, Projection, Projector
from shared.log import Log
from shared.telemetry.telemetry import Telemetry

LOG = Log(__name__)
GROUP = "notifier"
TOPICS = (OUTREACH_COMMANDS.name, CONTACT_POINTS.name, PROVIDER_RECEIPTS.name)
MOST_RECORDS = 1_000
"""Records per transaction."""

Restored = Literal["refuse", "skip"]


class RestoredDatabaseError(RuntimeError):
    """The database remembers less than the broker: it was restored from a backup, and sending could repeat messages."""


def reader(
    consumer: AIOKafkaConsumer,
    outbox: Outbox,
    bell: Bell,
    *,
    seal: Seal,
    restored: Restored,
    telemetry: Telemetry | None = None,
) -> Projector:
    """The loop that fills the outbox. It raises RestoredDatabaseError, and any error of the database, as senders do."""
    telemetry = telemetry or Telemetry()
    intake = Intake(outbox, bell, seal=seal, restored=restored, telemetry=telemetry)
    return Projector(consumer, intake, log=LOG, most=MOST_RECORDS, telemetry=telemetry)


@final
class Intake(Projection):
    """Batches go to the outbox; commands wait until the contacts that stand in the log are read."""

    topics = TOPICS

    def __init__(self, outbox: Outbox, bell: Bell, *, seal: Seal, restored: Restored, telemetry: Telemetry) -> None:
        self._outbox, self._bell = outbox, bell
        self._seal = seal
        self._restored = restored
        self._contacts_until: dict[TopicPartition, int] = {}
        self._balances: dict[Place, int] = {}
        self._poison = telemetry.meters.counter("huitou_poison_records_total")
        self._letters = telemetry.meters.counter("huitou_dead_letters_total")
        telemetry.meters.gauge("huitou_poison_balance").set_function(lambda: sum(list(self._balances.values())))

    async def positions(self) -> Mapping[Place, int]:
        """See `Projection`; the balances of poison are read with them."""
        async with self._outbox.begin() as transaction:
            stored = await intake_store.read_positions(transaction.connection)
        self._balances = {place: balance for place, (_, balance) in stored.items()}
        return {place: offset for place, (offset, _) in stored.items()}

    async def take(self, records: Sequence[Any]) -> Mapping[Place, int]:
        """See `Projection`; rings the bell where senders have work."""
        batch = read_batch(records, self._seal, self._balances)
        check_balance(sum((self._balances | batch.balances).values()), len(batch.dead))
        await self._write(batch)
        self._poison.inc(len(batch.dead))
        self._letters.inc(len(batch.dead))
        self._balances |= batch.balances
        if batch.commands or batch.receipts:
            self._bell.ring()
        return batch.positions

    async def starts(
        self, consumer: AIOKafkaConsumer, assigned: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        """RestoredDatabaseError if the database is behind the broker's position, unless that is to be left out."""
        # Before the database is asked: what is committed by then was written there first.
        committed = {place: await consumer.committed(place) or 0 for place in assigned}
        starts = dict(await super().starts(consumer, committed))
        mine = {(place.topic, place.partition) for place in committed}
        self._balances = {place: balance for place, balance in self._balances.items() if place in mine}
        for place, ahead in committed.items():
            if ahead <= starts[place]:
                continue
            if self._restored == "refuse":
                raise RestoredDatabaseError(
                    f"{place.topic}/{place.partition}: the database stands at offset {starts[place]}, the broker at"
                    f" {ahead}: was it restored from a backup? HUITOU_RESTORED=skip leaves out what lies between"
                )
            starts[place] = ahead
        return starts

    async def placed(self, consumer: AIOKafkaConsumer) -> None:
        """Commands wait until the addresses that stand in the log by now are read."""
        assigned = consumer.assignment()
        contacts = [partition for partition in assigned if partition.topic == CONTACT_POINTS.name]
        self._contacts_until = await consumer.end_offsets(contacts) if contacts else {}
        others = [partition for partition in assigned if partition.topic != CONTACT_POINTS.name]
        if self._contacts_until:
            consumer.pause(*others)
            self.not_ready = "addresses are read first"
        else:
            consumer.resume(*others)
            self.not_ready = ""

    async def turned(self, consumer: AIOKafkaConsumer) -> None:
        """Let commands in once the contacts are read."""
        if not self._contacts_until:
            return
        for partition, end in self._contacts_until.items():
            if await consumer.position(partition) < end:
                return
        self._contacts_until = {}
        consumer.resume(*consumer.paused())
        self.not_ready = ""

    async def _write(self, batch: Batch) -> None:
        async with self._outbox.begin() as transaction:
            written = await intake_store.write(transaction.connection, batch)
            for row in written.forgotten:
                await self._outbox.settle(transaction, row, Move(to=State.CANCELLED, reason="erased"))
            for row in written.cancelled:
                reason = batch.cancellations[row.command.command_id].reason
                await self._outbox.settle(transaction, row, Move(to=State.CANCELLED, reason=reason))
            await transaction.publish([*batch.dead, *written.again])
        for letter in batch.dead:
            LOG.warning("dead letter", event_id=letter.event_id)
