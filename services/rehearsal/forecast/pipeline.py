"""The three folds one behind the other in memory, all partitions: records in, what leaves the chain out. Knows no Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from services.profile.fold import ProfileFold
from services.segmenter.fold import SegmenterFold
from services.trigger_engine.fold import TriggerFold
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.codec import encode
from shared.contract.topics import CUSTOMER_EVENTS, PARTITIONS
from shared.engine.fold.batch import Emit
from shared.engine.fold.fold import Fold
from shared.engine.step.partition import Partition
from shared.shop import Shop

TOGETHER = 200
"""Records of a partition between two drains."""

MakeFold = Callable[[int], Fold[Any]]


class Record(msgspec.Struct, frozen=True, gc=False):
    """An input record as the engine reads it."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int


class Pipeline:
    """Profile, segmenter and trigger engine; what none of them reads is handed to `out`."""

    def __init__(self, shop: Shop, out: Callable[[Emit], None]) -> None:
        makes: tuple[MakeFold, ...] = (
            lambda _: ProfileFold(shop, scenario=True),
            lambda partition: SegmenterFold(shop, epoch_ms=2**50, partition=partition),
            lambda _: TriggerFold(shop),
        )
        self._hops = [
            [Partition(make(n), partition=n, seal=lambda *_: "", scenario=True) for n in range(PARTITIONS)]
            for make in makes
        ]
        self._out = out

    def everywhere(self, value: PolicyPublished | Tick) -> None:
        """A broadcast in every partition."""
        raw = encode(value)
        self.feed([Emit(CUSTOMER_EVENTS.name, number, None, raw) for number in range(PARTITIONS)])

    def feed(self, emits: Iterable[Emit]) -> None:
        """Records of customer-events-v1, through the whole chain."""
        emits = list(emits)
        for cores in self._hops:
            emits = self._hop(cores, emits)

    def _hop(self, cores: list[Partition[Any]], emits: Iterable[Emit]) -> list[Emit]:
        """What goes to the next hop; what goes from id to id comes back to this one until nothing does."""
        onward: list[Emit] = []
        while emits:
            waiting: list[list[Emit]] = [[] for _ in cores]
            for emit in emits:
                waiting[emit.partition].append(emit)
            emits = back = list[Emit]()
            for core, records in zip(cores, waiting, strict=True):
                for left in self._taken(core, records):
                    if left.topic == core.fold.output:
                        onward.append(left)
                    elif left.topic == core.fold.input:
                        back.append(left)
                    else:
                        self._out(left)
        return onward

    def _taken(self, core: Partition[Any], records: list[Emit]) -> Iterator[Emit]:
        for number, emit in enumerate(records, 1):
            record = Record(core.next, emit.key, emit.value, 0)
            if core.apply(record) or number % TOGETHER == 0 or number == len(records):
                yield from core.drain().emits
