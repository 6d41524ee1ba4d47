"""Profile, segmenter and trigger engine in one process: records in, everything the hops say out. No broker, no changelog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from services.profile.fold import ProfileFold
from services.segmenter.cuts import CutMaker
from services.segmenter.fold import SegmenterFold
from services.trigger_engine.fold import TriggerFold
from shared.contract.broadcasts import Broadcast, CutsPublished
from shared.contract.codec import encode
from shared.contract.histograms import EpochMarked, HistogramChunk
from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS, RFM_HISTOGRAMS
from shared.engine.fold.batch import Batch, Emit, Record
from shared.engine.fold.fold import Fold
from shared.engine.fold.rules import ALL_ON, Off
from shared.engine.state.outgoing import Seal
from shared.engine.step.partition import Partition
from shared.shop import Shop

TOGETHER = 200
"""Records of a partition between two drains, unless a hop is told otherwise."""

MakeFold = Callable[[int], Fold[Any]]
"""Partition → a fold for it."""

_histogram = msgspec.json.Decoder(HistogramChunk | EpochMarked).decode


class Given(msgspec.Struct, frozen=True, gc=False):
    """An input record as the engine reads it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    """When it was appended, ms."""


def folds(
    shop: Shop, *, epoch_ms: int, scenario: bool = True, gates_off: frozenset[str] = frozenset()
) -> tuple[MakeFold, MakeFold, MakeFold]:
    """Profile, segmenter and trigger engine, in the order of the chain. `epoch_ms`: RFM cuts are due at its multiples."""
    return (
        lambda _: ProfileFold(shop, scenario=scenario),
        lambda partition: SegmenterFold(shop, epoch_ms=epoch_ms, partition=partition),
        lambda _: TriggerFold(shop, gates_off=gates_off),
    )


def broadcast(value: Broadcast, partitions: Iterable[int] = range(PARTITIONS)) -> list[Emit]:
    """The record in each of these partitions of customer-events-v1."""
    raw = encode(value)
    return [Emit(CUSTOMER_EVENTS.name, number, None, raw) for number in partitions]


def unsealed(_alias: str, _field: str, _raw: bytes) -> str:
    """Seals dead letters that stay in this process: their content is dropped."""
    return ""


class Hop:
    """One stateful service in memory: the given partitions, empty until they are fed or restored."""

    def __init__(
        self,
        make: MakeFold,
        *,
        partitions: Iterable[int] = range(PARTITIONS),
        together: int = TOGETHER,
        scenario: bool = True,
        seal: Seal = unsealed,
        off: Off = ALL_ON,
        on_close: Callable[[Partition[Any]], None] | None = None,
    ) -> None:
        """`together`: records between two drains. `on_close`: called with the partition after a record that ends its batch."""
        self.partitions: dict[int, Partition[Any]] = {
            number: Partition(make(number), partition=number, seal=seal, scenario=scenario, off=off)
            for number in partitions
        }
        self.fold: Fold[Any] = next(iter(self.partitions.values())).fold
        self._together, self._on_close = together, on_close

    def take(self, number: int, records: Iterable[Record]) -> Iterator[Batch]:
        """Apply the records to one partition; the batches that they make, each as soon as it is drained."""
        core, together, waiting = self.partitions[number], self._together, 0
        for record in records:
            waiting += 1
            closes = core.apply(record)
            if closes and self._on_close is not None:
                self._on_close(core)
            if closes or waiting == together:
                waiting = 0
                yield core.drain()
        if waiting:
            yield core.drain()

    def inputs(self, emits: Iterable[Emit], at: int = 0) -> dict[int, list[Given]]:
        """Partition → the emits as its next input records, appended at `at` ms; those of other partitions are left out."""
        found: dict[int, list[Given]] = {number: [] for number in self.partitions}
        for emit in emits:
            place = found.get(emit.partition)
            if place is not None:
                offset = self.partitions[emit.partition].next + len(place)
                place.append(Given(offset, emit.key, emit.value, at))
        return {number: records for number, records in found.items() if records}


class Epochs:
    """The cut maker in this process: takes what hops say, answers the cuts of every epoch that completes."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self._maker = CutMaker(partitions)

    def hear(self, topic: str, value: bytes) -> CutsPublished | None:
        """The cuts, if this record completes an epoch; records of other topics than rfm-histograms-v1 are passed over."""
        return self._maker.take(_histogram(value)) if topic == RFM_HISTOGRAMS.name else None


class Chain:
    """Hops one behind the other: each takes all that there is before the next begins. `hear` gets every record said, in order.

    What a hop says to another id of its own comes back to it until nothing does. With `epochs` the cuts of a completed
    epoch go to every partition of the first hop once the records fed are through.
    """

    def __init__(self, hops: Sequence[Hop], hear: Callable[[Emit], None], *, epochs: Epochs | None = None) -> None:
        self.hops = hops
        self._hear, self._epochs = hear, epochs
        self._cuts: list[CutsPublished] = []

    def everywhere(self, value: Broadcast, at: int = 0) -> None:
        """A broadcast in every partition."""
        self.feed(broadcast(value, self.hops[0].partitions), at)

    def feed(self, emits: Iterable[Emit], at: int = 0) -> None:
        """Records of customer-events-v1, appended at `at` ms, through the whole chain."""
        self.take(self.hops[0].inputs(emits, at), at)

    def take(self, inputs: Mapping[int, Sequence[Record]], at: int = 0) -> None:
        """As `feed`, with the records of each partition as they stand in its log; inner records are appended at `at` ms."""
        for place, hop in enumerate(self.hops):
            onward = self._through(hop, inputs, at)
            inputs = self.hops[place + 1].inputs(onward, at) if onward else {}
        cuts, self._cuts = self._cuts, []
        for each in cuts:
            self.everywhere(each, at)

    def _through(self, hop: Hop, inputs: Mapping[int, Sequence[Record]], at: int) -> list[Emit]:
        """The records for the next hop."""
        onward: list[Emit] = []
        while inputs:
            back: list[Emit] = []
            for number, records in inputs.items():
                for batch in hop.take(number, records):
                    for emit in batch.emits:
                        self._said(emit)
                        if emit.topic == hop.fold.output:
                            onward.append(emit)
                        elif emit.topic == hop.fold.input:
                            back.append(emit)
            inputs = hop.inputs(back, at)
        return onward

    def _said(self, emit: Emit) -> None:
        self._hear(emit)
        if self._epochs is not None and (cuts := self._epochs.hear(emit.topic, emit.value)):
            self._cuts.append(cuts)
