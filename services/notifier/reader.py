"""From Kafka to the database: the notifier's consumer; knows topics and positions, not what becomes of a command."""

from __future__ import annotations

from typing import Literal

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from services.notifier import intake_store
from services.notifier.bell import Bell
from services.notifier.intake import Batch, Seal, read_batch
from services.notifier.outbox import Outbox
from services.notifier.state import Move, State
from shared.contract.topics import CONTACT_POINTS, OUTREACH_COMMANDS, PROVIDER_RECEIPTS
from shared.engine.fold.poison_limit import check_balance
from shared.log import Log

LOG = Log(__name__)
GROUP = "notifier"
TOPICS = (OUTREACH_COMMANDS.name, CONTACT_POINTS.name, PROVIDER_RECEIPTS.name)
MOST_RECORDS = 1_000
"""Records per transaction."""
WAIT_MS = 250

Restored = Literal["refuse", "skip"]


class RestoredDatabaseError(RuntimeError):
    """The database remembers less than the broker: it was restored from a backup, and sending could repeat messages."""


class Reader(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Keeps positions in the database, in the transaction of what they cover; the broker's copy shows the lag."""

    def __init__(self, consumer: AIOKafkaConsumer, outbox: Outbox, *, seal: Seal, restored: Restored) -> None:
        self._consumer = consumer
        self._outbox = outbox
        self._seal = seal
        self._restored = restored
        self._fresh = False
        self._contacts_until: dict[TopicPartition, int] = {}
        self._balances: dict[tuple[str, int], int] = {}

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to hand over: whoever comes next starts from the database."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Every rebalance is total, so everything is fetched anew from where the database stands."""
        self._fresh = True

    async def run(self, bell: Bell) -> None:
        """Read until the bell stops; RestoredDatabaseError if the database is behind what the broker was told."""
        self._consumer.subscribe(TOPICS, listener=self)
        await self._consumer.start()
        try:
            while not bell.stopped:
                await self._take(bell)
        finally:
            await self._consumer.stop()

    async def _take(self, bell: Bell) -> None:
        fetched = await self._consumer.getmany(timeout_ms=WAIT_MS, max_records=MOST_RECORDS)
        if self._fresh:  # what was fetched may start at the wrong place
            self._fresh = False
            await self._seek()
            return
        if fetched:
            records = (record for found in fetched.values() for record in found)
            batch = read_batch(records, self._seal, self._balances)
            check_balance(sum((self._balances | batch.balances).values()), len(batch.dead))
            await self._write(batch)
            self._balances |= batch.balances
            await self._commit(batch)
            if batch.commands or batch.receipts:
                bell.ring()
        if self._contacts_until:
            await self._let_commands_in()

    async def _write(self, batch: Batch) -> None:
        async with self._outbox.begin() as transaction:
            stopped = await intake_store.write(transaction.connection, batch)
            for row in stopped.forgotten:
                await self._outbox.settle(transaction, row, Move(to=State.CANCELLED, reason="erased"))
            for row in stopped.cancelled:
                reason = batch.cancellations[row.command.command_id].reason
                await self._outbox.settle(transaction, row, Move(to=State.CANCELLED, reason=reason))
            await transaction.publish(batch.dead)
        for letter in batch.dead:
            LOG.warning("dead letter", event_id=letter.event_id)

    async def _commit(self, batch: Batch) -> None:
        offsets = {TopicPartition(topic, partition): offset for (topic, partition), offset in batch.positions.items()}
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            LOG.info("partitions went to another member before the commit")

    async def _seek(self) -> None:
        assigned = self._consumer.assignment()
        committed = {partition: await self._consumer.committed(partition) for partition in assigned}
        async with self._outbox.begin() as transaction:
            stored = await intake_store.read_positions(transaction.connection)
        self._balances = {}
        for partition in assigned:
            place = (partition.topic, partition.partition)
            start, self._balances[place] = stored.get(place, (0, 0))
            ahead = committed[partition] or 0
            if ahead > start:
                if self._restored == "refuse":
                    raise RestoredDatabaseError(
                        f"{partition.topic}/{partition.partition}: the database stands at offset {start}, the broker at"
                        f" {ahead}: was it restored from a backup? HUITOU_RESTORED=skip leaves out what lies between"
                    )
                start = ahead
            self._consumer.seek(partition, start)
        await self._contacts_first(assigned)
        LOG.info("reading", partitions=len(assigned))

    async def _contacts_first(self, assigned: frozenset[TopicPartition]) -> None:
        """Commands wait until the addresses that stand in the log by now are read."""
        contacts = [partition for partition in assigned if partition.topic == CONTACT_POINTS.name]
        self._contacts_until = await self._consumer.end_offsets(contacts) if contacts else {}
        others = [partition for partition in assigned if partition.topic != CONTACT_POINTS.name]
        if self._contacts_until:
            self._consumer.pause(*others)
        else:
            self._consumer.resume(*others)

    async def _let_commands_in(self) -> None:
        for partition, end in self._contacts_until.items():
            if await self._consumer.position(partition) < end:
                return
        self._contacts_until = {}
        self._consumer.resume(*self._consumer.paused())
