"""The three real folds over a broker in memory, one worker per hop and partition, driven in any order; knows no history."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from services.rehearsal.pipeline import Hop, folds
from shared.contract.bundles import SegmentsUpdated
from shared.contract.codec import encode
from shared.contract.partitioner import partition_of
from shared.engine.fold.batch import Batch, Emit
from shared.engine.fold.rules import ALL_ON, Off
from shared.engine.state.entry import Entry
from shared.engine.step.partition import Partition
from shared.shop import DAY, Shop
from tests.support.world import Stored

HOMES = (3, 7, 11)
HOPS = ("customer-events-v1", "profile-updates-v1", "segment-updates-v1")
SHOP = Shop(zone="UTC", window_days=3_650)


class Chain:
    """Topics as lists; `run` takes workers by chance until nobody has anything to do."""

    def __init__(self, off: Off = ALL_ON) -> None:
        self.logs: dict[tuple[str, int], list[Stored]] = {}
        self.repeats: random.Random | None = None
        """With it some records are written twice, as after a crash between write and commit."""
        self.hops = [Hop(make, partitions=HOMES, off=off) for make in folds(SHOP, epoch_ms=10_000 * DAY)]
        self.workers = [(hop, home) for home in HOMES for hop in range(len(HOPS))]

    def log(self, topic: str, partition: int) -> list[Stored]:
        return self.logs.setdefault((topic, partition), [])

    def put(self, emit: Emit) -> None:
        log = self.log(emit.topic, emit.partition)
        log.append(Stored(len(log), emit.key, emit.value, headers=emit.headers))

    def write(self, key: str, record: Any) -> None:
        self.put(Emit(HOPS[0], partition_of(key.encode()), key.encode(), encode(record)))

    def broadcast(self, record: Any, homes: Sequence[int] = HOMES) -> None:
        for home in homes:
            self.put(Emit(HOPS[0], home, None, encode(record)))

    def turn(self, hop: int, home: int, most: int) -> bool:
        """One batch; False if there was nothing to do."""
        start = self.hops[hop].partitions[home].next
        records = self.log(HOPS[hop], home)[start : start + most]
        emits = []
        for batch in self.hops[hop].take(home, records):
            emits += batch.emits
            if batch.checkpoint:
                self.checkpoint(self.hops[hop].partitions[home], batch)
        again = self.repeats is not None and self.repeats.random() < 0.3
        for emit in emits + emits if again else emits:
            self.put(emit)
        return bool(records)

    def checkpoint(self, core: Partition[Any], batch: Batch) -> None:
        """A snapshot was asked for: nobody here keeps one."""

    def run(self, rnd: random.Random, *, slow: frozenset[tuple[int, int]] = frozenset(), turns: int = 10**9) -> None:
        """`slow` workers have their turn only now and then; at most `turns` turns."""
        while turns > 0:
            busy = False
            for hop, home in rnd.sample(self.workers, len(self.workers)):
                turns -= 1
                if (hop, home) in slow and rnd.random() < 0.9:
                    busy = True
                    continue
                busy = self.turn(hop, home, rnd.choice((1, 2, 5, 20))) or busy
            if not busy:
                return

    def entry(self, hop: int, name: str) -> Entry[Any]:
        return self.hops[hop].partitions[partition_of(name.encode())].memory.look(name.encode())

    def records(self) -> Iterator[Emit]:
        """Every record of every topic, as it was written."""
        for (topic, partition), log in sorted(self.logs.items()):
            for record in log:
                yield Emit(topic, partition, record.key, record.value, record.headers)

    def told(self, topic: str) -> list[Any]:
        """Decoded values of a topic, partition by partition."""
        logs = [log for (name, _), log in sorted(self.logs.items()) if name == topic]
        return [msgspec.json.decode(record.value) for log in logs for record in log]

    def latest(self, name: str) -> SegmentsUpdated | None:
        """The last bundle with steps that the trigger engine heard of a customer."""
        decode = msgspec.json.Decoder(SegmentsUpdated).decode
        for record in reversed(self.log(HOPS[2], partition_of(name.encode()))):
            if record.key == name.encode() and b'"segments.updated"' in record.value and b'"steps"' in record.value:
                return decode(record.value)
        return None
