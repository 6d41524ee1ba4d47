"""What an event costs without Kafka and HTTP: intake and the three folds in this process, on the chain's own records."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from deploy.stack.keys import ensure
from services.ingest.identifiers import Pepper
from services.ingest.intake import Intake
from services.ingest.people import Desk
from services.ingest.seal_memory import SealMemory
from services.ingest.strict_json import parse_batch
from services.rehearsal.pipeline import Hop, MakeFold, broadcast, folds
from shared import clock
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.topics import CUSTOMER_EVENTS
from shared.engine.fold.batch import Emit
from shared.sealing import Keyring
from shared.shop import Shop
from tests.bench import cpu, workload
from tests.bench.figures import Sheet

TOGETHER = 333
"""Records of a partition between two drains: what one fetch under load brings (4,000 over 12 partitions)."""
PER_REQUEST = 100
FOLDS_NAME = "in-process: three folds"
INTAKE_NAME = "in-process: intake"
PER_SECOND = 4_000
"""Spacing of the events' own instants."""
EPOCH_MS = 60_000


class MeasuredHop(Hop):
    """All partitions of one stateful service, fed with the emits of the hop before; CPU seconds are taken of the fold alone."""

    def __init__(self, make: MakeFold) -> None:
        super().__init__(make, together=TOGETHER)
        self.aside: list[Emit] = []
        """Of the latest feeding: what goes elsewhere than to the next hop."""

    def feed(self, emits: Iterable[Emit], at: int) -> tuple[list[Emit], float]:
        """Emits for the next hop, and CPU seconds of decode, step, encode and drain."""
        inputs = self.inputs(emits, at)
        gc.collect()
        gc.freeze()
        began = cpu.own()
        out: list[Emit] = []
        for number, records in inputs.items():
            for batch in self.take(number, records):
                out += batch.emits
        spent = cpu.own() - began
        gc.unfreeze()
        self.aside = [emit for emit in out if emit.topic != self.fold.output]
        return [emit for emit in out if emit.topic == self.fold.output], spent

    @property
    def steps(self) -> int:
        """Steps taken so far; RuntimeError if anything was poison: then the figures would mean nothing."""
        poison = sum(core.counts.poison for core in self.partitions.values())
        if poison:
            raise RuntimeError(f"{self.fold.name}: {poison} records of the bench are poison")
        return sum(core.counts.steps for core in self.partitions.values())


class Collector:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Emit] = []

    async def publish(self, records: Sequence[Emit]) -> None:
        """Keep them."""
        self.records += records

    async def ready(self) -> bool:
        """Always."""
        return True


async def measure(sheet: Sheet, *, events: int, at: int, policy: dict[str, Any]) -> None:
    """CPU µs per event of intake and of each fold, and the rate that one core would reach with them alone."""
    shop, collector = Shop(), Collector()
    intake = intake_into(collector, shop, at)
    await take(intake, workload.bodies(workload.settled_members(at), PER_REQUEST))
    before = [*broadcast(PolicyPublished(1, policy)), *broadcast(Tick(at, scenario=True)), *collector.records]
    collector.records = []
    spent = await take(intake, workload.bodies(workload.day("day", events, at, per_second=PER_SECOND), PER_REQUEST))
    costs = {INTAKE_NAME: spent}
    emits = facts(collector.records)
    before = facts(before)
    for hop in hops(shop):
        before, _ = hop.feed(before, at)
        known = hop.steps
        emits, costs[f"in-process: {hop.fold.name}"] = hop.feed(emits, at)
        if hop.steps - known != events:
            raise RuntimeError(f"{hop.fold.name}: {hop.steps - known} steps for {events} events")
    for name, seconds in costs.items():
        sheet.add(name, seconds / events * 1e6, "CPU µs per event")
    together = sum(seconds for name, seconds in costs.items() if name != INTAKE_NAME)
    sheet.add(f"{INTAKE_NAME}, rate", events / costs[INTAKE_NAME], "events/s and core")
    sheet.add(f"{FOLDS_NAME}, rate", events / together, "events/s and core")


def intake_into(collector: Collector, shop: Shop, at: int) -> Intake:
    """Ingest's own intake with secrets that nobody keeps; it is always `at` there."""
    with tempfile.TemporaryDirectory() as directory:
        secrets = ensure(Path(directory))
        desk, keyring = Desk(shop, Pepper.load(secrets.pepper)), Keyring.load(secrets.keyring)
    return Intake(desk, keyring, collector, SealMemory(clock.monotonic), now_ms=lambda: at)


def hops(shop: Shop) -> list[MeasuredHop]:
    """Profile, segmenter and trigger engine, empty."""
    return [MeasuredHop(make) for make in folds(shop, epoch_ms=EPOCH_MS)]


async def take(intake: Intake, bodies: Sequence[bytes]) -> float:
    """CPU seconds of strict reading, checking and encoding; the heap of the folds beside it is no part of its collections."""
    gc.collect()
    gc.freeze()
    began = cpu.own()
    for body in bodies:
        outcomes = await intake.typed(parse_batch(body, "events").items, source="bench")
        refused = next((outcome.refusal for outcome in outcomes if outcome.refusal is not None), None)
        if refused is not None:
            raise RuntimeError(f"intake refused an event of the bench: {refused.path} {refused.reason}")
    spent = cpu.own() - began
    gc.unfreeze()
    return spent


def facts(emits: Iterable[Emit]) -> list[Emit]:
    """Without the sealed contacts, which take another way."""
    return [emit for emit in emits if emit.topic == CUSTOMER_EVENTS.name]
