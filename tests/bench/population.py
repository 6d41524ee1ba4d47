"""A large population for the three hops: a thousand customers by the real folds, and as many copies of them as are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from deploy.demo.people import event
from deploy.demo.scenario import Event
from services.ingest.intake import Intake
from services.rehearsal.pipeline import Epochs, MakeFold, broadcast, folds
from shared.contract.broadcasts import CutsPublished, PolicyPublished, Tick
from shared.contract.partitioner import partition_of
from shared.contract.topics import PARTITIONS, changelog
from shared.engine.fold.batch import Emit
from shared.engine.state.head import PARTITION_KEY
from shared.ids import hash64
from shared.shop import DAY, Shop
from tests.bench import in_process, workload
from tests.bench.in_process import EPOCH_MS, Collector, MeasuredHop, facts, take

MODELS = 1_200
"""Customers that really lived."""
PER_REQUEST = 100
MINUTE = 60_000
KEY_LETTER = b"g"
ORDERS = (1, 1, 1, 1, 2, 2, 2, 3, 4, 7)
"""How many orders a customer has, in equal shares."""


class Service(msgspec.Struct, frozen=True):
    """One hop as it stands after the history, and what came while it was away."""

    name: str
    make: MakeFold
    input: str
    changelog: str
    history: list[Emit]
    """Everything it has read, from offset 0 on."""
    tail: list[Emit]
    """What it has not read yet."""
    models: list[list[tuple[bytes, bytes]]]
    """By partition: key and stored value of the customers that lived."""
    values: list[bytes]
    """By partition: the partition's own values."""

    def states(self, keys: list[list[bytes]]) -> Iterator[Emit]:
        """A compacted changelog: those who lived, copies of them under `keys` (by partition), then the partition's values."""
        for number, models in enumerate(self.models):
            for key, value in models:
                yield Emit(self.changelog, number, key, value)
            for place, key in enumerate(keys[number]):
                model, value = models[place % len(models)]
                yield Emit(self.changelog, number, key, value.replace(model, key))
            yield Emit(self.changelog, number, PARTITION_KEY, self.values[number])


def keys(count: int) -> list[list[bytes]]:
    """`count` customer ids that nobody has, by the partition they belong to."""
    found: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for number in range(count):
        key = KEY_LETTER + f"{number:08x}{hash64(str(number)) % 2**64:016x}{0xC0B1E5:08x}".encode()
        found[partition_of(key)].append(key)
    return found


async def services(*, at: int, tail: int, policy: dict[str, Any], models: int = MODELS) -> list[Service]:
    """Profile, segmenter and trigger engine after a year of `models` customers that ends at `at`; `tail` events come then."""
    shop, collector = Shop(), Collector()
    intake = in_process.intake_into(collector, shop, at)
    hops = in_process.hops(shop)
    front = [
        *broadcast(PolicyPublished(1, policy)),
        *broadcast(Tick(at, scenario=True)),
        *await _accepted(intake, collector, _lives(at, models)),
        *broadcast(Tick(at + MINUTE, scenario=True)),
    ]
    histories = _through(hops, front, at)
    cuts = _cuts(hops[1].aside)
    for history, more in zip(histories, _through(hops, broadcast(cuts), at), strict=True):
        history.extend(more)
    stood = [_standing(hop) for hop in hops]
    day = workload.day("tail", tail, at, per_second=1_000, members=models)
    tails = _through(hops, await _accepted(intake, collector, day), at)
    return [
        Service(
            name=hop.fold.name.replace("_", "-"),
            make=make,
            input=hop.fold.input,
            changelog=changelog(hop.fold.name).name,  # type: ignore[arg-type]  # the fold's name is a service's
            history=history,
            tail=rest,
            models=models,
            values=values,
        )
        for hop, make, history, rest, (models, values) in zip(
            hops, folds(shop, epoch_ms=EPOCH_MS), histories, tails, stood, strict=True
        )
    ]


def _lives(at: int, models: int) -> Iterator[Event]:
    """Introductions, then a year of orders, and looks at products within the last day."""
    for number in range(models):
        yield from workload.introduction(number, at - 300 * DAY, reachable=number % workload.REACHABLE_EACH == 0)
    for number in range(models):
        for place in range(ORDERS[number % len(ORDERS)]):
            age = hash64(f"{number}/{place}") % (300 * DAY)
            yield workload.order(number, f"life-{number}-{place}", at - age)
        for place in range(number % 4):
            body = {"product": f"sku-{(number + place) % workload.PRODUCTS:03d}"}
            when = at - 3_600_000 + place * MINUTE
            yield event("product.viewed", f"look-{number}-{place}", when, {"member": workload.member(number)}, **body)


async def _accepted(intake: Intake, collector: Collector, events: Iterable[Event]) -> list[Emit]:
    collector.records = []
    await take(intake, workload.bodies(events, PER_REQUEST))
    return facts(collector.records)


def _through(hops: list[MeasuredHop], emits: list[Emit], at: int) -> list[list[Emit]]:
    """What each hop reads."""
    read = []
    for hop in hops:
        read.append(emits)
        emits, _ = hop.feed(emits, at)
    return read


def _cuts(emits: list[Emit]) -> CutsPublished:
    """The cuts of the epoch that the segmenter has just marked."""
    epochs = Epochs()
    for emit in emits:
        if cuts := epochs.hear(emit.topic, emit.value):
            return cuts
    raise RuntimeError("the segmenter marked no epoch: the bench's population has no cuts")


def _standing(hop: MeasuredHop) -> tuple[list[list[tuple[bytes, bytes]]], list[bytes]]:
    cores = hop.partitions.values()
    models = [list(zip(core.store.keys, core.store.values, strict=True)) for core in cores]
    return models, [core.drain().values for core in cores]
