"""One life of the engine's chain: the scenario day by day through profile, segmenter, cut maker and trigger engine."""

from __future__ import annotations

import asyncio

import msgspec

from services.rehearsal.pipeline import folds
from shared.contract import topics
from shared.contract.broadcasts import Tick
from shared.contract.codec import encode
from shared.contract.commands import OutreachCommand, SendMessage
from shared.contract.facts import MessageReported
from shared.contract.partitioner import partition_of
from shared.engine.fold.rules import ALL_ON, Off
from shared.engine.state.head import unpack
from shared.ids import derived_id
from tests.oracle import outputs
from tests.oracle.answers import Answer
from tests.oracle.checkers import report
from tests.oracle.fold import fold_log
from tests.oracle.reader import LogRecord

from .points import Point, Points
from .scenario import EPOCH_MS, PARTITIONS, SHOP, Day, days
from .world import CutMaking, InFlight, Process, Worker, World, run

States = dict[tuple[str, bytes], bytes]
"""(service, customer) → encoded state."""
LEFT_OUT = ("cuts at their epochs",)
_command = msgspec.json.Decoder(OutreachCommand).decode


class Life(msgspec.Struct, frozen=True):
    """What a whole run left behind."""

    world: World
    states: States

    @property
    def front(self) -> tuple[tuple[bytes | None, bytes], ...]:
        """The log that everything is a function of."""
        return tuple(
            (stored.key, stored.value)
            for part in range(PARTITIONS)
            for stored in self.world.log(topics.CUSTOMER_EVENTS.name, part)
        )


def live(
    crash_at: frozenset[Point] = frozenset(),
    *,
    off: Off = ALL_ON,
    in_flight: InFlight = "lost",
    story: list[Day] | None = None,
) -> Life:
    """The scenario from its first day to its last with these crashes."""
    return asyncio.run(_live(crash_at, off, in_flight, days() if story is None else story))


async def _live(crash_at: frozenset[Point], off: Off, in_flight: InFlight, story: list[Day]) -> Life:
    world = World(Points(crash_at), in_flight=in_flight)
    workers = [
        Worker(world, make, part, off=off) for make in folds(SHOP, epoch_ms=EPOCH_MS) for part in range(PARTITIONS)
    ]
    processes: list[Process] = [*workers, CutMaking(world, PARTITIONS)]
    echo = _Echo(world)
    for day in story:
        _write(world, day)
        await run(processes)
        echo.answer()
    await run(processes)
    for worker in workers:
        worker.start()
    states = {
        (worker.name, key): unpack(worker.core.store.get(key) or b"")[1]
        for worker in workers
        for key in worker.core.store.keys
    }
    return Life(world, states)


def _write(world: World, day: Day) -> None:
    world.now = day.start
    for told in day.facts:
        key = told.customer.encode()
        world.append(topics.CUSTOMER_EVENTS.name, partition_of(key), key, encode(told.fact))
    broadcasts = [day.policy] if day.policy else []
    for record in (*broadcasts, *(Tick(as_of=tick, scenario=True) for tick in day.ticks)):
        for part in range(PARTITIONS):
            world.append(topics.CUSTOMER_EVENTS.name, part, None, encode(record))


class _Echo:
    """Stands for the notifier at the end of a day: reports each command once as sent, however often it was told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answered: set[str] = set()

    def answer(self) -> None:
        for part in range(PARTITIONS):
            for stored in self._world.log(topics.OUTREACH_COMMANDS.name, part):
                command = _command(stored.value)
                if isinstance(command, SendMessage) and command.command_id not in self._answered:
                    self._answered.add(command.command_id)
                    self._tell(part, command)

    def _tell(self, part: int, command: SendMessage) -> None:
        fact = MessageReported(
            id=derived_id("message", command.command_id, "sent"),
            at=command.decided_at,
            command_id=command.command_id,
            rule=command.rule,
            channel=command.channel,
            status="sent",
        )
        self._world.append(topics.CUSTOMER_EVENTS.name, part, command.customer.encode(), encode(fact))


class Judge:
    """Compares lives with the oracle and with the quiet one; folds each different log once."""

    def __init__(self) -> None:
        self.quiet = live()
        self._answers: dict[object, Answer] = {}
        self._states = {self.quiet.front: self.quiet.states}

    @property
    def points(self) -> list[Point]:
        """Every effect of the quiet life."""
        return self.quiet.world.points.passed

    def differences(self, life: Life) -> list[str]:
        """One line per check that differs, with its first example."""
        found = []
        for check in report(self.answer(life), observed(life.world)).checks:
            if check.failures:
                first = check.examples[0]
                found.append(f"{check.name}: {first.where}: expected {first.expected}, got {first.got}")
        expected = self._states.get(life.front)
        if expected is not None and expected != life.states:
            changed = [key for key in {**expected, **life.states} if expected.get(key) != life.states.get(key)]
            found.append(f"states: {len(changed)} differ, {changed[0]}")
        return found

    def answer(self, life: Life) -> Answer:
        """The oracle's, for the log of this life."""
        front = life.front
        if front not in self._answers:
            logs = {part: _records(life.world, topics.CUSTOMER_EVENTS.name, part) for part in range(PARTITIONS)}
            self._answers[front] = fold_log(logs, SHOP, epoch_ms=EPOCH_MS, scenario=True)
        return self._answers[front]


def observed(world: World) -> outputs.Observed:
    """What consumers of the chain's topics understand, each without the repeats that it drops."""
    end = outputs.chain_end(_all(world, topics.SEGMENT_UPDATES))
    decisions, _ = outputs.decisions_of(_all(world, topics.OUTREACH_DECISIONS))
    return outputs.Observed(
        profiles=end.profiles,
        segments=end.segments,
        effects=end.effects,
        snapshots=outputs.snapshots_of(_all(world, topics.SEGMENTS)),
        changes=outputs.changes_of(_all(world, topics.SEGMENT_CHANGES)),
        commands=outputs.commands_of(_all(world, topics.OUTREACH_COMMANDS)),
        decisions=decisions,
        dead=outputs.dead_letters_of(_all(world, topics.DEAD_LETTERS)),
    )


def _all(world: World, topic: topics.Topic) -> list[LogRecord]:
    return [record for part in range(PARTITIONS) for record in _records(world, topic.name, part)]


def _records(world: World, topic: str, part: int) -> list[LogRecord]:
    return [LogRecord(part, one.offset, one.timestamp, one.key, one.value) for one in world.log(topic, part)]
