"""The Kafka host: fetch, fold, emit, persist, commit over aiokafka; knows no business (design: docs/architecture.md)."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from shared import clock
from shared.log import Log
from shared.streams import clients, recovery
from shared.streams.batch import Batch, Record
from shared.streams.effects import Targets, emit, settle
from shared.streams.fold import Fold
from shared.streams.outgoing import Seal
from shared.streams.partition import Partition
from shared.streams.poison_limit import PoisonLimit
from shared.streams.rules import ALL_ON, Off, Rule
from shared.topics import changelog

MAX_RECORDS = 4_000
"""Records of one fetch round, over all partitions."""
QUIET_SECONDS = 5.0
"""Rounds that hold only ticks persist and commit this often (rule 12)."""
FATAL = 70
"""Exit code after a failed produce or a broken invariant."""


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a host must be told."""

    bootstrap: str
    instance: str | None = None
    """Static membership id; only where a supervisor owns it and has confirmed the old process dead."""
    scenario: bool = False
    off: Off = ALL_ON


class KafkaHost(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Runs one fold per assigned partition until `stop` is called."""

    def __init__(self, make_fold: Callable[[int], Fold[Any]], settings: HostSettings, *, seal: Seal) -> None:
        self._make_fold, self._settings, self._seal = make_fold, settings, seal
        fold = make_fold(0)
        self.group, self.input = fold.name.replace("_", "-"), fold.input
        self._changelog = changelog(fold.name).name  # type: ignore[arg-type]
        self._log = Log(fold.name)
        self.owned: dict[int, Partition[Any]] = {}
        self._assigned: set[int] = set()
        self._generation = 0
        self._busy = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._persisted: dict[int, float] = {}
        self._poison = PoisonLimit(off=settings.off)

    def stop(self) -> None:
        """Finish the batch in hand, commit, leave."""
        self._stopping.set()

    async def run(self) -> None:
        """Until stopped; a failed produce or a broken invariant ends the process at once (rule 6)."""
        try:
            await self._run()
        except asyncio.CancelledError:
            raise
        except BaseException:  # noqa: BLE001 (whatever it was: no graceful stop, no commit)
            traceback.print_exc()
            self.die()

    @staticmethod
    def die() -> None:
        """End the process without any further effect."""
        sys.stderr.flush()
        os._exit(FATAL)

    async def _run(self) -> None:
        settings = self._settings
        self._producer = clients.producer(settings.bootstrap)
        self._consumer: AIOKafkaConsumer = clients.group_consumer(
            settings.bootstrap, self.group, instance=settings.instance
        )
        self._targets = Targets(
            clients.KafkaSink(self._producer, one_in_flight=Rule.ONE_IN_FLIGHT not in settings.off), off=settings.off
        )
        await self._producer.start()
        self._consumer.subscribe([self.input], listener=self)
        await self._consumer.start()
        self._log.info("started", group=self.group, input=self.input)
        while not self._stopping.is_set():
            try:
                await self._turn()
            except KafkaError:
                if Rule.DIE_ON_FAILURE not in settings.off:
                    raise
        async with self._busy:
            await self._settle_quiet(force=True)
        await self._consumer.stop()
        await self._producer.stop()
        self._log.info("stopped", group=self.group)

    async def _turn(self) -> None:
        generation = self._generation
        fetched = await self._consumer.getmany(timeout_ms=100, max_records=MAX_RECORDS)
        async with self._busy:
            if self._assigned - self.owned.keys():
                await self._recover(self._assigned - self.owned.keys())
                return  # what was fetched stood at a place nobody chose
            if generation != self._generation and Rule.REWIND not in self._settings.off:
                self._rewind(place.partition for place in fetched)
                return
            rounds = []
            for place, records in fetched.items():
                rounds.append(asyncio.create_task(self._round(place.partition, records)))
                await asyncio.sleep(
                    0
                )  # a round may fold for seconds (a new policy looks at everybody): heartbeats go in between
            batches = await asyncio.gather(*rounds)
            await self._commit(
                {number: batch for number, batch in zip((p.partition for p in fetched), batches, strict=True) if batch}
            )
            await self._settle_quiet()

    # --- rebalance

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Waits for the batch in flight; then the partitions are not ours any more."""
        try:
            async with self._busy:
                self._generation += 1
                await self._settle_quiet(force=True)
                for place in revoked:
                    self.owned.pop(place.partition, None)
                    self._persisted.pop(place.partition, None)
                self._assigned = set()
        except BaseException:  # noqa: BLE001 (aiokafka would swallow it and go on)
            traceback.print_exc()
            self.die()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Nothing is fetched from them before they are recovered."""
        places = list(assigned)
        if places:
            self._consumer.pause(*places)
        self._assigned = {place.partition for place in places}

    async def _recover(self, numbers: set[int]) -> None:
        generation, settings = self._generation, self._settings
        cores = {
            n: Partition(self._make_fold(n), partition=n, seal=self._seal, scenario=settings.scenario, off=settings.off)
            for n in sorted(numbers)
        }
        reader = clients.reader(settings.bootstrap)
        await reader.start()
        try:
            await recovery.replay(reader, self._changelog, cores, self._log, off=settings.off)
            committed = await recovery.commits(settings.bootstrap, self.group, self.input)
            await recovery.positions(reader, self.input, cores, committed, off=settings.off)
        finally:
            await reader.stop()
        if generation != self._generation:
            return
        self.owned |= cores
        self._rewind(cores)
        self._consumer.resume(*(TopicPartition(self.input, n) for n in cores))

    def _rewind(self, numbers: Iterable[int]) -> None:
        """Explicit seek to what comes next; partitions that are no longer ours are left alone (rule 7)."""
        for number in numbers:
            place = TopicPartition(self.input, number)
            if number in self.owned and place in self._consumer.assignment():
                self._consumer.seek(place, self.owned[number].next)

    # --- a round

    async def _round(self, number: int, records: list[Record]) -> Batch | None:
        """Fold, emit and persist what one fetch brought for one partition (rule 1); the last batch is to be committed."""
        core = self.owned.get(number)
        if core is None:
            return None
        last: Batch | None = None
        for position, record in enumerate(records, 1):
            closes = core.apply(record) or Rule.UNIT_OF_WORK in self._settings.off
            if closes or position == len(records):
                last = core.drain()
                if not await self._settle(number, last):
                    last = None
        return last

    async def _settle(self, number: int, batch: Batch) -> bool:
        """Emit and persist; False where a quiet batch only went on to the next hop."""
        self._poison.count(clock.monotonic(), batch.records, batch.poison)
        if batch.quiet and Rule.QUIET_TICKS not in self._settings.off:
            await emit(self._targets, batch)
            self._persisted.setdefault(number, clock.monotonic())
            return False
        if Rule.COMMIT_LAST in self._settings.off:
            await self._commit({number: batch})
        await settle(self._targets, self._changelog, number, batch, off=self._settings.off)
        self._persisted.pop(number, None)
        return True

    async def _settle_quiet(self, *, force: bool = False) -> None:
        """Persist and commit partitions whose last rounds held only ticks, every 5 s."""
        now = clock.monotonic()
        late = [n for n, since in self._persisted.items() if force or now - since >= QUIET_SECONDS]
        batches = {}
        for number in late:
            self._persisted.pop(number)
            if number in self.owned:
                batches[number] = self.owned[number].drain()
                await settle(self._targets, self._changelog, number, batches[number], off=self._settings.off)
        await self._commit(batches)

    async def _commit(self, batches: dict[int, Batch]) -> None:
        offsets = {
            TopicPartition(self.input, number): (batch.next, batch.metadata) for number, batch in batches.items()
        }
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError, RebalanceInProgressError, UnknownMemberIdError) as error:
            self._log.warning("commit refused, the next owner replays", error=repr(error))
        except KafkaError as error:
            self._log.warning("commit failed, the changelog knows better", error=repr(error))
