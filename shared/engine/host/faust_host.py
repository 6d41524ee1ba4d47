"""The Faust host: the folds under a Faust worker, through Faust's public API alone; knows no business (docs/hosts.md)."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import faust
import msgspec
import uvloop
from faust.app import BootStrategy
from faust.types import TP

from shared import clock
from shared.contract.topics import PARTITIONS
from shared.engine.fold.batch import Batch
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off
from shared.engine.host.kafka_host import FATAL, MAX_RECORDS, HostSettings
from shared.engine.host.rounds import Rounds
from shared.engine.recovery.cluster import KafkaCluster
from shared.engine.state.outgoing import Seal
from shared.log import Log
from shared.telemetry.lag import LOOK_EVERY_MS
from shared.telemetry.telemetry import Telemetry

LINGER_SECONDS = 0.01
"""How long a round waits for more records."""
SEEK_SECONDS = 30.0
"""How long a partition may take to come back to where its changelog stands."""


class Fetched(msgspec.Struct, frozen=True, gc=False):
    """A record as the engine reads it (batch.Record), out of a Faust message."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int


class _NoWeb(BootStrategy):  # type: ignore[misc]  # not installed where types are checked
    """Faust's web server has no password: it cannot be switched on, not even from the command line."""

    enable_web = False


class _App(faust.App):  # type: ignore[misc]  # as above
    BootStrategy = _NoWeb


class FaustHost:
    """Runs one fold per assigned partition; `app` is the Faust application."""

    def __init__(
        self,
        make_fold: Callable[[int], Fold[Any]],
        settings: HostSettings,
        *,
        seal: Seal,
        off: Off = ALL_ON,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.rounds = Rounds(
            make_fold,
            KafkaCluster(settings.bootstrap),
            seal=seal,
            commit=_left_to_faust,
            scenario=settings.scenario,
            snapshots=settings.snapshots,
            off=off,
            telemetry=telemetry,
        )
        self._watch = self.rounds.watch
        self._met: set[int] = set()
        self._sought: dict[int, float] = {}
        self._at_rest: asyncio.Task[None] | None = None
        self.app = _App(self.rounds.group, **_options(settings))
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_partitions_assigned.connect(self._given)
        raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
        source = self.app.topic(self.rounds.input, partitions=PARTITIONS, **raw)
        self.app.agent(source, name=f"{self.rounds.group}.fold", concurrency=1)(self._fold)

    def run(self, arguments: Sequence[str] = ()) -> None:
        """Until SIGTERM or SIGINT; arguments go to Faust's own command line, which reads them from sys.argv."""
        if arguments:
            self.app.main()
        loop = uvloop.new_event_loop()
        worker = self.app.Worker(loop=loop, override_logging=False, redirect_stdouts=False, quiet=True)
        worker.spinner = None  # it would write control characters into the log
        worker.execute_from_commandline()

    # --- the agent

    async def _fold(self, stream: Any) -> None:
        self._watch.health.watch_loop()
        await _or_die(self.rounds.start())
        self.app.on_before_shutdown.connect(self._shut_down)
        self.rounds.log.info("started", group=self.rounds.group, input=self.rounds.input, host="faust")
        self._at_rest = asyncio.create_task(self._look())
        events: AsyncIterator[Sequence[Any]] = stream.take_events(MAX_RECORDS, within=LINGER_SECONDS)
        async for taken in events:
            with self._watch.turn():
                await _or_die(self._round([event.message for event in taken]))

    async def _look(self) -> None:
        """Faust calls for records alone, so the last of them would reach the meters with the next one."""
        while True:
            await asyncio.sleep(LOOK_EVERY_MS / 1000)
            self._watch.turned({}, self._end)

    async def _round(self, messages: Sequence[Any]) -> None:
        """Emit and persist everything: what returns from here Faust may commit at any time."""
        fetched: dict[int, list[Fetched]] = {}
        for message in messages:
            record = Fetched(message.offset, message.key, message.value, round(message.timestamp * 1000))
            fetched.setdefault(message.partition, []).append(record)
        self._current(messages)
        if fetched.keys() - self.rounds.owned.keys():
            await self._recover(fetched.keys())
            self._current(messages)
        fresh = {number: await self._fresh(number, records) for number, records in fetched.items()}
        await asyncio.gather(*(self.rounds.take(number, records) for number, records in fresh.items() if records))
        await self.rounds.settle_quiet(force=True)
        places = {TP(self.rounds.input, number): records for number, records in fresh.items()}
        self._watch.turned(places, self._end)

    def _end(self, place: Any) -> int | None:
        """As the Kafka host's."""
        place = TP(place.topic, place.partition)
        return self.app.consumer.highwater(place) if place in self.app.consumer.assignment() else None

    def _current(self, messages: Sequence[Any]) -> None:
        """Faust would acknowledge events of an older generation without asking whose they are now (rule 7)."""
        generation = self.app.consumer_generation_id
        if any(message.generation_id != generation for message in messages):
            msg = f"{self.rounds.input}: events fetched before a rebalance came after it"
            raise BrokenInvariantError(msg)

    async def _recover(self, wanted: Collection[int]) -> None:
        assigned = {place.partition for place in self.app.consumer.assignment() if place.topic == self.rounds.input}
        if not assigned.issuperset(wanted):
            msg = f"{self.rounds.input}: events of partitions {sorted(set(wanted) - assigned)}, which are not ours"
            raise BrokenInvariantError(msg)
        self._watch.recovers()
        self.rounds.owned |= await self.rounds.recover(assigned - self.rounds.owned.keys())
        self._watch.stands(assigned, self.rounds.owned)

    async def _fresh(self, number: int, records: list[Fetched]) -> list[Fetched]:
        """What the state has not seen, from the very next record on; nothing while Faust has to go back for that."""
        due = self.rounds.owned[number].next
        for position, record in enumerate(records):
            if record.offset == due or (record.offset > due and number in self._met):
                self._met.add(number)
                return records[position:]  # a gap in them is for the fold to refuse (rule 8)
        if records[-1].offset > due:
            await self._go_back(number, due)
        return []

    async def _go_back(self, number: int, due: int) -> None:
        """Faust begins at the commit; a changelog that lost its end stands before that (rule 2)."""
        place, now = TP(self.rounds.input, number), clock.monotonic()
        since = self._sought.setdefault(number, now)
        if now - since > SEEK_SECONDS:
            msg = f"{place.topic}[{number}]: should go on at offset {due}, but Faust does not go back there"
            raise BrokenInvariantError(msg)
        if since == now:
            await self.app.consumer.seek_wait({place: due})

    # --- signals

    async def _given(self, app: Any, assigned: Collection[TP], **_: Any) -> None:
        """They are recovered with the first record that comes from one of them: a tick is never far."""
        self._watch.stands({place.partition for place in assigned}, self.rounds.owned)

    async def _revoked(self, app: Any, revoked: Collection[TP], **_: Any) -> None:
        """Sent when the round in hand is done (`stream_wait_empty`): the partitions are not ours any more."""
        self.rounds.drop(place.partition for place in revoked)
        self._watch.joins("being assigned anew")
        self._met.clear()
        self._sought.clear()

    async def _shut_down(self, app: Any, **_: Any) -> None:
        """Sent when the round in hand is done and committed."""
        if self._at_rest:
            self._at_rest.cancel()
        await self.rounds.stop()
        self.rounds.log.info("stopped", group=self.rounds.group)


def _options(settings: HostSettings) -> dict[str, Any]:
    """Faust's settings as measured (rule 13); nothing is declared, no table, no leader, no web server."""
    options: dict[str, Any] = {
        "broker": f"kafka://{settings.bootstrap.replace(',', ';')}",
        "broker_commit_interval": 0.5,
        "broker_commit_every": 5_000,
        "broker_session_timeout": 10.0,
        "broker_heartbeat_interval": 3.0,
        "broker_rebalance_timeout": 60.0,
        "broker_max_poll_interval": 300.0,
        "broker_max_poll_records": 2_000,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": 1 << 20,
        "datadir": str(_nowhere()),
        "stream_buffer_maxsize": 50_000,
        "stream_wait_empty": True,
        "table_standby_replicas": 0,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
    }
    if settings.instance:
        options["consumer_group_instance_id"] = settings.instance
    return options


def _nowhere() -> Path:
    """Faust makes empty folders for tables that we do not have."""
    return Path(tempfile.gettempdir()) / f"huitou-faust-{os.getuid()}"


async def _left_to_faust(batches: dict[int, Batch]) -> None:
    """Faust commits by itself what was acknowledged."""


async def _or_die(step: Awaitable[None]) -> None:
    """Whatever goes wrong ends the process: Faust would acknowledge the events and go on (rule 6)."""
    try:
        await step
    except BaseException as error:  # noqa: BLE001 (a cancelled round too: Faust would commit it)
        Log("faust").fatal("ends", error)
        sys.stderr.flush()
        os._exit(FATAL)
