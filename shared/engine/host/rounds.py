"""What every host does with what a fetch brought: recover, fold, emit, persist; knows neither membership nor how offsets are committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared import clock
from shared.contract.topics import changelog
from shared.engine.fold.batch import Batch, Record
from shared.engine.fold.fold import Fold
from shared.engine.fold.poison_limit import PoisonLimit, check_balance
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule
from shared.engine.host.own_ends import OwnEnds
from shared.engine.host.resync import emit_parts
from shared.engine.host.watch import Watch
from shared.engine.recovery import recovery
from shared.engine.recovery.checkpoints import Checkpoints
from shared.engine.recovery.cluster import Cluster, KafkaSink
from shared.engine.recovery.counted_sink import CountedSink
from shared.engine.recovery.effects import Appended, Targets, emit, settle
from shared.engine.state.outgoing import Seal
from shared.engine.step.partition import Partition
from shared.log import Log
from shared.telemetry.telemetry import Telemetry

QUIET_SECONDS = 5.0
"""Rounds that hold only ticks persist and commit this often (rule 12)."""

Commit = Callable[[dict[int, Batch]], Awaitable[None]]
"""Partition → batch whose offset may now be committed."""


def _always() -> None:
    """Writing is never forbidden."""


class Rounds:
    """The partitions that a worker owns, and their effects in the one order: emit, persist, then the host's commit."""

    def __init__(
        self,
        make_fold: Callable[[int], Fold[Any]],
        cluster: Cluster,
        *,
        seal: Seal,
        commit: Commit,
        scenario: bool = False,
        snapshots: Path | None = None,
        off: Off = ALL_ON,
        before_send: Callable[[], None] = _always,
        recovers_dropped: bool = False,
        telemetry: Telemetry | None = None,
    ) -> None:
        """`before_send` raises where nothing may be written any more (rule 9).

        `recovers_dropped`: the host recovers assigned partitions that are not in `owned`, so that one with foreign
        records in its changelog may be dropped from it; otherwise the process ends and the next start recovers.
        """
        fold = make_fold(0)
        self.group, self.input = fold.name.replace("_", "-"), fold.input
        self.changelog = changelog(fold.name).name  # type: ignore[arg-type]
        self.log = Log(fold.name)
        self.owned: dict[int, Partition[Any]] = {}
        self.persisted: dict[int, tuple[int, str]] = {}
        """Partition → next input offset and checksum of the record before it, as its changelog has them."""
        self.targets: Targets
        self._make_fold, self._cluster, self._seal, self._commit = make_fold, cluster, seal, commit
        self._scenario, self._off = scenario, off
        self._before_send, self._recovers_dropped = before_send, recovers_dropped
        self._ends = OwnEnds()
        self._lost: dict[int, set[bytes]] = {}
        self.parked: dict[int, Partition[Any]] = {}
        self._quiet: dict[int, float] = {}
        self._poison = PoisonLimit(off=off)
        self.watch = Watch(telemetry, self.input, live=not scenario)
        self.watch.owns(lambda: len(self.owned), self._balance)
        self._checkpoints = Checkpoints(snapshots, self.log)

    async def start(self) -> None:
        """Connect the producer."""
        self._producer = self._cluster.producer()
        await self._producer.start()
        one_in_flight = Rule.ONE_IN_FLIGHT not in self._off
        sink = KafkaSink(self._producer, one_in_flight=one_in_flight, before=self._before_send)
        self.targets = Targets(CountedSink(sink, self.watch.sent), off=self._off)

    async def stop(self) -> None:
        """Disconnect it."""
        self._checkpoints.close()
        await self._producer.stop()

    # --- partitions

    async def recover(self, numbers: Iterable[int]) -> dict[int, Partition[Any]]:
        """Partitions whole from their changelogs, each with its `next` set; not owned yet (rules 8, 9, 10)."""
        return await self.put_again(await self.load(numbers))

    async def load(self, numbers: Iterable[int]) -> dict[int, Partition[Any]]:
        """The first half of `recover`: it only reads, so it may be cancelled."""
        reader = self._cluster.reader()
        await reader.start()
        try:
            cores = await self._take_back(reader, set(numbers))
            fresh = {
                number: Partition(
                    self._make_fold(number), partition=number, seal=self._seal, scenario=self._scenario, off=self._off
                )
                for number in sorted(set(numbers) - cores.keys())
            }
            replayed = await recovery.replay(reader, self.changelog, fresh, self.log, off=self._off)
            stands = {number: core.next for number, core in fresh.items()}
            committed = await self._cluster.commits(self.group, self.input) if fresh else {}
            await recovery.positions(reader, self.input, fresh, committed, off=self._off)
        finally:
            await reader.stop()
        self.parked = {}
        for number, (end, lost) in replayed.items():
            self._ends.stands(number, end)
            self._lost[number] = lost
            commit = committed.get(number)
            metadata = commit.metadata if commit and commit.offset == stands[number] else ""
            self.persisted[number] = stands[number], metadata
        return cores | fresh

    async def put_again(self, cores: dict[int, Partition[Any]]) -> dict[int, Partition[Any]]:
        """The second half: where a key's last record is not its winner, the winner stands last again before it is served.

        Answers the partitions that may be served: those to which nobody else wrote meanwhile.
        """
        whole = {}
        for number, core in cores.items():
            lost, own = self._lost.pop(number, set()), True
            if lost and Rule.PUT_AGAIN not in self._off:
                self.log.warning("stale records in the changelog: winners put again", partition=number, keys=len(lost))
                own = self._own(number, await recovery.put_again(self.targets, self.changelog, number, core, lost))
            if own:
                whole[number] = core
        return whole

    def drop(self, numbers: Iterable[int]) -> None:
        """These partitions are not ours any more."""
        for number in list(numbers):
            self.owned.pop(number, None)
            self.parked.pop(number, None)
            self._quiet.pop(number, None)
            self.persisted.pop(number, None)
            self._ends.forget(number)

    def park(self) -> None:
        """Give all partitions up, everything of them being persisted, but keep them in memory: most come back (rule 7)."""
        self.parked |= {number: core for number, core in self.owned.items() if self._ends.get(number) is not None}
        self.owned = {}
        self._quiet = {}

    async def _take_back(self, reader: AIOKafkaConsumer, numbers: set[int]) -> dict[int, Partition[Any]]:
        """Parked partitions among `numbers` to whose changelog nobody has written since."""
        places = {number: TopicPartition(self.changelog, number) for number in sorted(self.parked.keys() & numbers)}
        ends = await reader.end_offsets(list(places.values())) if places else {}
        same = {n: self.parked[n] for n, place in places.items() if self._untouched(n, ends[place])}
        if same:
            self.log.info("taken back", partitions=sorted(same))
        return same

    def _untouched(self, number: int, end: int) -> bool:
        return end == self._ends.get(number) or Rule.PARKED in self._off

    # --- a round

    async def take(self, number: int, records: Sequence[Record]) -> Batch | None:
        """Fold, emit and persist what one fetch brought for one partition (rule 1); the last batch is to be committed."""
        core = self.owned.get(number)
        if core is None:
            return None
        with self.watch.batch(core.counts):
            return await self._take(number, core, records)

    async def _take(self, number: int, core: Partition[Any], records: Sequence[Record]) -> Batch | None:
        last: Batch | None = None
        for position, record in enumerate(records, 1):
            closes = core.apply(record) or Rule.UNIT_OF_WORK in self._off
            if closes:
                await emit_parts(self.targets, core)
            if closes or position == len(records):
                last = core.drain()
                if not await self._settle(number, last):
                    last = None
                elif last.checkpoint:
                    self._checkpoints.take(core, last)
                if self.owned.get(number) is not core:
                    break
        return last

    async def _settle(self, number: int, batch: Batch) -> bool:
        """Emit and persist; False where a quiet batch only went on to the next hop."""
        self._poison.count(clock.monotonic(), batch.records, batch.poison)
        check_balance(self._balance(), batch.poison, off=self._off)
        if batch.quiet and Rule.QUIET_TICKS not in self._off:
            await emit(self.targets, batch)
            self._quiet.setdefault(number, clock.monotonic())
            return False
        if Rule.COMMIT_LAST in self._off:
            await self._commit({number: batch})
        appended = await settle(self.targets, self.changelog, number, batch, off=self._off)
        self._quiet.pop(number, None)
        self.persisted[number] = batch.next, batch.metadata
        self._own(number, appended)
        return True

    def _balance(self) -> int:
        return sum(core.balance for core in list(self.owned.values()))

    def _own(self, number: int, appended: Sequence[Appended] | None) -> bool:
        """False where a foreign record may have put a stale value last: the partition must be recovered anew (rule 9)."""
        if self._ends.wrote(number, appended) or Rule.FOREIGN_RECORDS in self._off:
            return True
        msg = f"{self.changelog}[{number}]: somebody else has written between our own records"
        self.log.error(msg)
        if not self._recovers_dropped:
            raise BrokenInvariantError(msg)
        self.drop([number])
        return False

    async def settle_quiet(self, *, force: bool = False) -> None:
        """Persist and commit partitions whose last rounds held only ticks, every 5 s."""
        now = clock.monotonic()
        late = [n for n, since in self._quiet.items() if force or now - since >= QUIET_SECONDS]
        batches = {}
        for number in late:
            self._quiet.pop(number)
            if number in self.owned:
                batch = batches[number] = self.owned[number].drain()
                appended = await settle(self.targets, self.changelog, number, batch, off=self._off)
                self.persisted[number] = batch.next, batch.metadata
                self._own(number, appended)
        await self._commit(batches)
