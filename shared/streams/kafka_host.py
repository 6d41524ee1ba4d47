"""The Kafka host: membership, fetch and commit over aiokafka; knows no business (design: docs/architecture.md)."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from shared.streams.batch import Batch
from shared.streams.clients import Cluster, KafkaCluster
from shared.streams.fold import Fold
from shared.streams.outgoing import Seal
from shared.streams.rounds import Rounds
from shared.streams.rules import ALL_ON, Off, Rule

MAX_RECORDS = 4_000
"""Records of one fetch round, over all partitions."""
FATAL = 70
"""Exit code after a failed produce or a broken invariant."""


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a host must be told."""

    bootstrap: str
    instance: str | None = None
    """Static membership id; only where a supervisor owns it and has confirmed the old process dead."""
    scenario: bool = False
    snapshots: Path | None = None
    """Where checkpoints write the state; None: nowhere."""
    off: Off = ALL_ON


class KafkaHost(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Runs one fold per assigned partition until `stop` is called."""

    def __init__(
        self,
        make_fold: Callable[[int], Fold[Any]],
        settings: HostSettings,
        *,
        seal: Seal,
        cluster: Cluster | None = None,
    ) -> None:
        self._settings, self._cluster = settings, cluster or KafkaCluster(settings.bootstrap)
        self.rounds = Rounds(
            make_fold,
            self._cluster,
            seal=seal,
            commit=self._commit,
            scenario=settings.scenario,
            snapshots=settings.snapshots,
            off=settings.off,
        )
        self._assigned: set[int] = set()
        self._generation = 0
        self._busy = asyncio.Lock()
        self._stopping = asyncio.Event()

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
        settings, rounds = self._settings, self.rounds
        await rounds.start()
        self._consumer = self._cluster.member(rounds.group, instance=settings.instance)
        self._consumer.subscribe([rounds.input], listener=self)
        await self._consumer.start()
        rounds.log.info("started", group=rounds.group, input=rounds.input)
        while not self._stopping.is_set():
            try:
                await self._turn()
            except KafkaError:
                if Rule.DIE_ON_FAILURE not in settings.off:
                    raise
        async with self._busy:
            await rounds.settle_quiet(force=True)
        await self._consumer.stop()
        await rounds.stop()
        rounds.log.info("stopped", group=rounds.group)

    async def _turn(self) -> None:
        generation = self._generation
        fetched = await self._consumer.getmany(timeout_ms=100, max_records=MAX_RECORDS)
        async with self._busy:
            missing = self._assigned - self.rounds.owned.keys()
            if missing:
                await self._recover(missing)
                return  # what was fetched stood at a place nobody chose
            if generation != self._generation and Rule.REWIND not in self._settings.off:
                self._rewind(place.partition for place in fetched)
                return
            taken = []
            for place, records in fetched.items():
                taken.append(asyncio.create_task(self.rounds.take(place.partition, records)))
                await asyncio.sleep(0)  # a round may fold for seconds (a new policy): heartbeats go in between
            batches = await asyncio.gather(*taken)
            await self._commit({p.partition: batch for p, batch in zip(fetched, batches, strict=True) if batch})
            await self.rounds.settle_quiet()

    # --- rebalance

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Waits for the batch in flight; then the partitions are not ours any more."""
        try:
            async with self._busy:
                self._generation += 1
                await self.rounds.settle_quiet(force=True)
                self.rounds.drop(place.partition for place in revoked)
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
        generation = self._generation
        cores = await self.rounds.recover(numbers)
        if generation != self._generation:
            return
        self.rounds.owned |= cores
        self._rewind(cores)
        self._consumer.resume(*(TopicPartition(self.rounds.input, n) for n in cores))

    def _rewind(self, numbers: Iterable[int]) -> None:
        """Explicit seek to what comes next; partitions that are no longer ours are left alone (rule 7)."""
        for number in numbers:
            place = TopicPartition(self.rounds.input, number)
            if number in self.rounds.owned and place in self._consumer.assignment():
                self._consumer.seek(place, self.rounds.owned[number].next)

    async def _commit(self, batches: dict[int, Batch]) -> None:
        offsets = {
            TopicPartition(self.rounds.input, number): (batch.next, batch.metadata) for number, batch in batches.items()
        }
        if not offsets:
            return
        log = self.rounds.log
        try:
            await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError, RebalanceInProgressError, UnknownMemberIdError) as error:
            log.warning("commit refused, the next owner replays", error=repr(error))
        except KafkaError as error:
            log.warning("commit failed, the changelog knows better", error=repr(error))
