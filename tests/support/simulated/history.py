"""One history from one seed: traffic, workers that die, freeze, come and go, and the verdict when fresh ones have caught up."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from unittest import mock

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared import clock
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off
from shared.engine.host.kafka_host import HostSettings, KafkaHost
from tests.support.simulated import script, verdict
from tests.support.simulated.broker import Broker
from tests.support.simulated.cluster import SimulatedCluster
from tests.support.simulated.loop import Condition, Process, VirtualLoop, simulate
from tests.support.tally import HeardFold, ListenFold, TallyFold

PLAIN: tuple[Callable[[], Fold[Any]], ...] = (lambda: TallyFold(script.EPOCH_MS), HeardFold)
LINKED: tuple[Callable[[], Fold[Any]], ...] = (TallyFold, HeardFold, ListenFold)
KINDS = {"kill": 5, "freeze": 3, "refuse": 3, "leave": 1, "join": 1}
"""What strikes, and how often compared with the others."""
PATIENCE = 200.0
"""Seconds within which fresh workers must have caught up."""


class Outcome(msgspec.Struct):
    """What came of a history."""

    wrong: list[str]
    faults: dict[str, int]
    """Kind → how many really struck; "zombie" counts requests of a worker that its group had given up."""
    requests: int
    digest: int
    """Of all logs: the same seed gives the same."""
    said: str
    """What the processes wrote to standard error."""


class Host(KafkaHost):
    """The real host; only the death of its process is ours."""

    process: Process
    hop: int
    ended: Callable[[BaseException | None], None]

    def die(self, error: BaseException) -> None:
        if not self.process.dead:
            traceback.print_exception(error)
            self.ended(error)
        self.process.kill()


def run(seed: int, off: Off = ALL_ON, *, faults: frozenset[str] = frozenset(KINDS)) -> Outcome:
    """`faults`: the kinds to choose from. With "compact" only the last record of each changelog key is left in the end."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        history = History(seed, off, faults)
        wrong = simulate(history.run) or verdict.differences(
            history.broker, history.folds, history.script, compacted="compact" in faults
        )
    return Outcome(wrong, history.struck, history.requests, history.broker.digest(), said.getvalue())


class History:
    def __init__(self, seed: int, off: Off, kinds: frozenset[str]) -> None:
        self.seed, self.off = seed, off
        self.requests, self.struck = 0, dict[str, int]()
        rnd = self._rnd = random.Random(f"history {seed}")
        linked = seed % 2 == 1
        self.folds = LINKED if linked else PLAIN
        self.script = script.write(rnd, linked=linked)
        weights = {kind: weight for kind, weight in KINDS.items() if kind in kinds}
        points = rnd.sample(range(1, 300), rnd.randrange(1, 9)) if weights else []
        self._faults = {point: rnd.choices([*weights], [*weights.values()])[0] for point in points}
        self._hosts: list[Host] = []
        self._slots: list[asyncio.Task[None]] = []
        self._wrong: list[str] = []
        self._thawed: set[str] = set()
        self._ending = False

    async def run(self, loop: VirtualLoop) -> list[str]:
        self._loop = loop
        groups = {make().input: script.HOMES for make in self.folds}
        self.broker = Broker(loop, groups)
        with mock.patch.object(clock, "monotonic", loop.time):
            for hop in range(len(self.folds)):
                self._more(hop, self._rnd.choice((1, 1, 2, 3)))
            await self._write()
            await asyncio.sleep(self._rnd.uniform(0, 25))
            await self._end()
            if not self._wrong:
                await self._fresh()
        return self._wrong

    async def _write(self) -> None:
        for line in self.script.lines:
            await asyncio.sleep(max(0.0, line.at - self._loop.time()))
            record = line.record
            self.broker.append(TopicPartition(record.topic, record.partition), [record])

    # --- workers

    def _more(self, hop: int, count: int) -> None:
        self._slots += [self._task(self._supervise(hop, f"{hop}.{len(self._slots) + n}")) for n in range(count)]

    def _task(self, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._loop.create_task(main)

    async def _supervise(self, hop: int, slot: str) -> None:
        """A worker, and another when it is gone, until the end."""
        rnd = random.Random(f"slot {self.seed} {slot}")
        for life in range(30):
            host = self._host(hop, f"{slot}.{life}")
            await asyncio.wait([host.process.run(host.run())])
            self._hosts.remove(host)
            await asyncio.sleep(rnd.uniform(0.1, 2))
            if self._ending or self._wrong:
                return
        self._wrong.append(f"worker {slot} died again and again")

    def _host(self, hop: int, name: str) -> Host:
        process = Process(self._loop, name)
        cluster = SimulatedCluster(self.broker, process, random.Random(f"{self.seed} {name}"), self._strike)
        settings = HostSettings(bootstrap="", scenario=True)
        make = self.folds[hop]
        host = Host(lambda _: make(), settings, seal=verdict.seal, cluster=cluster, off=self.off)
        host.process, host.hop = process, hop
        host.ended = partial(self._ended, process)
        self._hosts.append(host)
        return host

    def _ended(self, process: Process, error: BaseException | None) -> None:
        """A refused produce may end a host, and one that was frozen may find that it must not go on; nothing else."""
        frozen = process.name in self._thawed and isinstance(error, BrokenInvariantError)
        if not frozen and not isinstance(error, KafkaError):
            self._wrong.append(f"a host ended by itself: {error!r}")

    # --- faults

    def _strike(self, process: Process) -> None:
        self.requests += 1
        if process.name in self._thawed and self._given_up(process):
            self.struck["zombie"] = self.struck.get("zombie", 0) + 1
        kind = self._faults.pop(self.requests, None)
        host = next((host for host in self._hosts if host.process is process), None)
        if kind is None or host is None or process.condition is not Condition.RUNNING:
            return
        self.struck[kind] = self.struck.get(kind, 0) + 1
        if kind == "kill":
            process.kill()
        elif kind == "freeze":
            process.freeze()
            self._thawed.add(process.name)
            self._loop.outside(self._rnd.uniform(5, 30), process.thaw)
        elif kind == "refuse":
            self.broker.refuse_next += 1
        elif kind == "leave":
            host.stop()
        elif kind == "join":
            self._more(host.hop, 1)

    def _given_up(self, process: Process) -> bool:
        host = next((host for host in self._hosts if host.process is process), None)
        consumer = getattr(host, "_consumer", None)
        return consumer is not None and not consumer.known()

    # --- the end

    async def _end(self) -> None:
        """No more faults: who is frozen goes on, then all leave, one way or the other."""
        self._faults, self._ending, self.broker.refuse_next = {}, True, 0
        for host in self._hosts:
            host.process.thaw()
        await asyncio.sleep(self._rnd.choice((0, 0.01, 15)))
        for host in list(self._hosts):
            host.process.kill() if self._rnd.random() < 0.5 else host.stop()
        await asyncio.wait(self._slots)

    async def _fresh(self) -> None:
        self._slots, self._ending = [], False
        for hop in range(len(self.folds)):
            self._more(hop, self._rnd.choice((1, 2)))
        calm, patience = 0, self._loop.time() + PATIENCE
        while calm < 3 and not self._wrong:
            await asyncio.sleep(1.0)
            calm = calm + 1 if self._caught_up() else 0
            if self._loop.time() > patience:
                self._wrong.append("never caught up")
        self._ending = True
        for host in list(self._hosts):
            host.stop()
        await asyncio.wait(self._slots)

    def _caught_up(self) -> bool:
        reached = {
            (host.rounds.input, number): core.next for host in self._hosts for number, core in host.rounds.owned.items()
        }
        return all(
            reached.get((make().input, home)) == len(self.broker.log(TopicPartition(make().input, home)))
            for make in self.folds
            for home in script.HOMES
        )
