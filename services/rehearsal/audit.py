"""Folds every customer from one checkpoint's snapshots and the logs to a second checkpoint, and compares with its snapshots.

Each service is folded from its own input topic, so that offsets, arrival and the order among ids are those of the run.
Between the services, what one says when folded again must be what stands in the input of the next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.rehearsal import compare
from services.rehearsal.checkpoints import CheckpointError, Place
from services.rehearsal.compare import Difference
from services.rehearsal.pipeline import Hop, MakeFold
from services.rehearsal.seam import Said, Seam
from shared.contract.origin import Origin
from shared.contract.topics import EPOCH, STATEFUL
from shared.engine.recovery import snapshot
from shared.engine.recovery.rebuild import tail
from shared.engine.state.head import PARTITION_KEY

TOGETHER = 4_000
"""Records of a batch."""


class Folded(msgspec.Struct, frozen=True):
    """One partition of one service, folded again."""

    service: str
    partition: int
    customers: int
    """Compared."""
    records: int
    """Of the input topic, between the checkpoints."""
    said: int
    """Records for this service by the one before it; 0 for the first."""
    differences: list[Difference]


class Snapshot(msgspec.Struct, frozen=True):
    """A snapshot file, read."""

    header: snapshot.Header
    states: dict[bytes, bytes]
    """Key → stored value."""
    values: bytes
    """The partition's own."""


class Audit:
    """Partition by partition through the services of the chain; `makes` are their folds in order. Reads only."""

    def __init__(self, makes: Sequence[MakeFold], reader: AIOKafkaConsumer, *, scenario: bool) -> None:
        """`reader`: a consumer without a group, started."""
        self._makes: dict[str, MakeFold] = dict(zip(STATEFUL, makes, strict=True))
        self._reader, self._scenario = reader, scenario

    async def partition(
        self, number: int, earlier: Mapping[Place, Path], later: Mapping[Place, Path]
    ) -> AsyncIterator[Folded]:
        """Each service in turn. CheckpointError or BrokenInvariantError where snapshots and log do not belong together."""
        said: Said | None = None
        since = Origin(EPOCH, number, -1)
        for service in STATEFUL:
            first, last = (_read(paths[service, number], service, number) for paths in (earlier, later))
            if said is None:
                since = Origin(EPOCH, number, first.header.next - 1)
            folded, said = await self._fold(service, number, first, last, said, since)
            yield folded

    async def _fold(  # noqa: PLR0917
        self, service: str, number: int, first: Snapshot, last: Snapshot, before: Said | None, since: Origin
    ) -> tuple[Folded, Said]:
        hop = Hop(self._makes[service], partitions=(number,), together=TOGETHER, scenario=self._scenario)
        core, fold, said = hop.partitions[number], hop.fold, Said(service)
        for key, value in [*first.states.items(), (PARTITION_KEY, first.values)]:
            core.restore(key, value)
        core.restored()
        seam = Seam(before or Said(""), fold.input, fold.records, since)
        place, header, mark = TopicPartition(fold.input, number), last.header, first.header.checksum
        async for records in tail(self._reader, place, first.header.next, header.next, mark):
            for record in records if before is not None else ():
                seam.take(record)
            for batch in hop.take(number, records):
                mark = batch.metadata
                for emit in batch.emits:
                    if emit.topic == fold.output:
                        said.add(emit)
        seam.end()
        if mark != header.checksum:
            raise CheckpointError(f"{place.topic}[{number}]: the later snapshot's last record is not that of the log")
        refolded = dict(zip(core.store.keys, core.store.values, strict=True))
        found = [
            *compare.customers(fold, refolded, last.states),
            *compare.values(core.drain().values, last.values),
            *seam.differences,
        ]
        folded = Folded(
            service=service,
            partition=number,
            customers=len(refolded.keys() | last.states.keys()),
            records=header.next - first.header.next,
            said=seam.records,
            differences=[Difference(service, number, customer, what) for customer, what in found],
        )
        return folded, said


def _read(path: Path, service: str, number: int) -> Snapshot:
    try:
        header, records = snapshot.read(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    if (header.service, header.partition, header.epoch) != (service, number, EPOCH):
        raise CheckpointError(f"{path}: is of {header.service}[{header.partition}], epoch {header.epoch}")
    return Snapshot(header, dict(records[:-1]), records[-1][1])
