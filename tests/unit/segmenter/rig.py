"""A small host for SegmenterFold, by hand: partitions in memory, every state through its bytes at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from services.segmenter.cuts import CutMaker
from services.segmenter.fold import SegmenterFold
from services.segmenter.state import Customer
from shared.contract.broadcasts import CutsPublished, Tick
from shared.contract.bundles import ProfileStep, ProfileUpdated, SegmentStep
from shared.contract.codec import encode
from shared.contract.histograms import EpochMarked, HistogramChunk
from shared.contract.origin import NEVER, Origin
from shared.contract.public_records import SegmentChanged, SegmentSnapshot
from shared.engine.fold.fold import Context, Outcome, Output
from shared.shop import Shop

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Customer).decode
_counted = msgspec.json.Decoder(HistogramChunk | EpochMarked).decode


class Shard:
    """One partition: a fold, its customers, its clock, and all that it has sent."""

    def __init__(self, shop: Shop, *, epoch_ms: int, partition: int = 0) -> None:
        self.fold = SegmenterFold(shop, epoch_ms=epoch_ms, partition=partition)
        self.clock, self.offset = 0, 0
        self.states: dict[str, bytes] = {}
        self.due: dict[str, int] = {}
        self.steps: list[tuple[str, SegmentStep]] = []
        self.changes: list[SegmentChanged] = []
        self.snapshots: list[SegmentSnapshot] = []
        self.outputs: list[Output] = []

    def customer(self, key: str) -> Customer:
        return _unpack(self.states[key]) if key in self.states else self.fold.empty()

    def feed(self, key: str, *steps: ProfileStep, as_of: int) -> None:
        """A bundle from upstream, through its bytes."""
        bundle = ProfileUpdated(origin=Origin(1, 0, self.offset), as_of=as_of, steps=steps)
        self._settle(key, self.fold.on_record(self.customer(key), self.fold.records(encode(bundle)), self.context(key)))

    def tick(self, as_of: int) -> Sequence[Output]:
        """A tick: due customers, then what the partition says as a whole."""
        if as_of <= self.clock:
            return ()
        before, self.clock = self.clock, as_of
        for key in [key for key, due in self.due.items() if due <= as_of]:
            self._settle(key, self.fold.on_time(self.customer(key), self.context(key)))
        return self.fold.after_tick(before, Tick(as_of), self.columns())

    def cuts(self, published: CutsPublished) -> list[str]:
        """Cuts come into force; answers the keys of those that `touched` named."""
        self.fold.adopt(published, self.clock)
        keys = list(self.states)
        movers = [keys[row] for row in self.fold.touched(published, self.columns()).tolist()]
        for key in movers:
            self._settle(key, self.fold.on_broadcast(self.customer(key), published, self.context(key)))
        return movers

    def context(self, key: str) -> Context:
        self.offset += 1
        return Context(key, key, self.clock, self.clock, Origin(1, 0, self.offset))

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        rows = [self.fold.row(_unpack(state)) for state in self.states.values()]
        names = list(self.fold.columns)
        columns = {name: np.array([row[n] for row in rows], self.fold.columns[name]) for n, name in enumerate(names)}
        return columns | {"live": np.ones(len(rows), np.bool_)}

    def _settle(self, key: str, outcome: Outcome[Customer] | None) -> None:
        if outcome is None:
            return
        self.states[key] = _pack(outcome.state)
        self.due[key] = outcome.due
        assert outcome.due == NEVER or outcome.due > outcome.as_of
        self.steps += [(key, step) for step in outcome.steps or ()]
        self.outputs += outcome.outputs
        for output in outcome.outputs:
            assert output.key == key
            if isinstance(output.value, SegmentChanged):
                self.changes.append(output.value)
            elif isinstance(output.value, SegmentSnapshot):
                self.snapshots.append(output.value)


def counted(maker: CutMaker, outputs: Sequence[Output]) -> list[CutsPublished]:
    """What the cut maker answers to these records of rfm-histograms-v1, through their bytes."""
    answers = [maker.take(_counted(encode(output.value))) for output in outputs]
    return [answer for answer in answers if answer is not None]
