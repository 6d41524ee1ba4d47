"""The Kafka host: membership, fetch and commit over aiokafka; knows no business (design: docs/architecture.md)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from shared.engine.fold.batch import Batch
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import ALL_ON, Off, Rule
from shared.engine.host.committer import Committer, Position
from shared.engine.host.lease import Lease
from shared.engine.host.rounds import Rounds
from shared.engine.recovery.cluster import Cluster, KafkaCluster
from shared.engine.state.outgoing import Seal
from shared.engine.step.partition import Partition
from shared.kafka.clients import HEARTBEAT_SECONDS, SESSION_SECONDS
from shared.telemetry.telemetry import Telemetry

MAX_RECORDS = 4_000
"""Records of one fetch round, over all partitions."""
FATAL = 70
"""Exit code after a failed produce or a broken invariant."""


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a host must be told."""

    bootstrap: str
    instance: str | None = None
    """Static membership id; only where a supervisor owns it and has confirmed the old process dead."""
    session: float = SESSION_SECONDS
    """Seconds without contact after which the group gives our partitions to others, and we write nothing more (rule 9)."""
    heartbeat: float = HEARTBEAT_SECONDS
    """Seconds between signs of life; a third of the session or less."""
    scenario: bool = False
    snapshots: Path | None = None
    """Where checkpoints write the state; None: nowhere."""


class KafkaHost(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Runs one fold per assigned partition until `stop` is called."""

    def __init__(
        self,
        make_fold: Callable[[int], Fold[Any]],
        settings: HostSettings,
        *,
        seal: Seal,
        cluster: Cluster | None = None,
        off: Off = ALL_ON,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._settings, self._off = settings, off
        self._cluster = cluster or KafkaCluster(
            settings.bootstrap, session=settings.session, heartbeat=settings.heartbeat
        )
        self.lease = Lease(settings.session, off=off)
        self.rounds = Rounds(
            make_fold,
            self._cluster,
            seal=seal,
            commit=self._commit,
            scenario=settings.scenario,
            snapshots=settings.snapshots,
            off=off,
            before_send=self.lease.check,
            recovers_dropped=True,
            telemetry=telemetry,
        )
        self._watch = self.rounds.watch
        self._committer = Committer(self._commit_positions, self.lease, self.rounds.log, heartbeat=settings.heartbeat)
        self._assigned: set[int] = set()
        self._generation = 0
        self._busy = asyncio.Lock()
        self._loading: asyncio.Task[dict[int, Partition[Any]]] | None = None
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
        except BaseException as error:  # noqa: BLE001 (whatever it was: no graceful stop, no commit)
            self.die(error)

    def die(self, error: BaseException) -> None:
        """Say why, and end the process without any further effect."""
        self.rounds.log.fatal("ends", error)
        sys.stderr.flush()
        os._exit(FATAL)

    async def _run(self) -> None:
        settings, rounds = self._settings, self.rounds
        self._watch.joins("joining the group")
        await rounds.start()
        self._consumer = self._cluster.member(rounds.group, instance=settings.instance)
        self._consumer.subscribe([rounds.input], listener=self)
        await self._consumer.start()
        beat = asyncio.create_task(self._beat())
        rounds.log.info("started", group=rounds.group, input=rounds.input)
        while not self._stopping.is_set():
            try:
                with self._watch.turn():
                    await self._turn()
            except KafkaError:
                if Rule.DIE_ON_FAILURE not in self._off:
                    raise
        async with self._busy:
            await rounds.settle_quiet(force=True)
            await self._committer.now()
        beat.cancel()
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
                self._rewind(place.partition for place in fetched)  # what was fetched is not taken: fetch it again
                return
            if generation != self._generation and Rule.REWIND not in self._off:
                self._rewind(place.partition for place in fetched)
                return
            taken = []
            for place, records in fetched.items():
                taken.append(asyncio.create_task(self.rounds.take(place.partition, records)))
                await asyncio.sleep(0)  # a round may fold for seconds (a new policy): heartbeats go in between
            batches = await asyncio.gather(*taken)
            await self._commit({p.partition: batch for p, batch in zip(fetched, batches, strict=True) if batch})
            await self.rounds.settle_quiet()
            self._watch.turned(fetched, self._end)

    def _end(self, place: TopicPartition) -> int | None:
        """Where the partition ended at its last fetch; None where none has answered, or it is not ours any more."""
        return self._consumer.highwater(place) if place in self._consumer.assignment() else None

    async def _beat(self) -> None:
        """Membership confirmed at every heartbeat; whatever else happens there ends the process like in a turn."""
        try:
            await self._committer.beat()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 (as in `run`)
            self.die(error)

    # --- rebalance

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Waits for the batch in flight; then the partitions are not ours any more."""
        try:
            if self._loading is not None:
                self._loading.cancel()
            async with self._busy:
                self._generation += 1
                if self.lease.held:
                    await self.rounds.settle_quiet(force=True)
                    await self._committer.now()
                    self.rounds.park()
                else:
                    self.rounds.drop(place.partition for place in revoked)
                self._committer.forget()
                self._assigned = set()
                self._watch.joins("being assigned anew")
        except BaseException as error:  # noqa: BLE001 (aiokafka would swallow it and go on)
            self.die(error)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Nothing is fetched from them before they are recovered."""
        places = list(assigned)
        if places:
            self._consumer.pause(*places)
        self._assigned = {place.partition for place in places}
        self.rounds.drop(self.rounds.parked.keys() - self._assigned)
        self._watch.stands(self._assigned, self.rounds.owned)

    async def _recover(self, numbers: set[int]) -> None:
        """Read, be confirmed as the owner, put stale records right, serve. A revoke cancels the reading."""
        generation = self._generation
        self._watch.recovers()
        self._watch.stands(self._assigned, self.rounds.owned)
        self._loading = asyncio.create_task(self.rounds.load(numbers))
        try:
            await asyncio.wait([self._loading])
            if self._loading.cancelled():
                return
            cores = self._loading.result()
        finally:
            self._loading.cancel()
            self._loading = None
        self._committer.note({number: self.rounds.persisted[number] for number in cores})
        await self._committer.now()
        if generation != self._generation or not self.lease.held:
            return
        cores = await self.rounds.put_again(cores)
        self.rounds.owned |= cores
        self._watch.stands(self._assigned, self.rounds.owned)
        self._rewind(cores)
        self._consumer.resume(*(TopicPartition(self.rounds.input, n) for n in cores))

    def _rewind(self, numbers: Iterable[int]) -> None:
        """Explicit seek to what comes next; partitions that are no longer ours are left alone (rule 7)."""
        for number in numbers:
            place = TopicPartition(self.rounds.input, number)
            if number in self.rounds.owned and place in self._consumer.assignment():
                self._consumer.seek(place, self.rounds.owned[number].next)

    async def _commit(self, batches: dict[int, Batch]) -> None:
        """These batches are persisted; committed at once or with one of the next."""
        self._committer.note({number: (batch.next, batch.metadata) for number, batch in batches.items()})
        await self._committer.when_due()

    async def _commit_positions(self, positions: dict[int, Position]) -> None:
        await self._consumer.commit(
            {TopicPartition(self.rounds.input, number): position for number, position in positions.items()}
        )
