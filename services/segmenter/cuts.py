"""Quintile cuts of the whole shop from the partitions' histograms; knows records in log order, not where the log is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from services.segmenter.histograms import MEASURES, Chunks, Ints, Measure, Sparse, checksum, digest
from shared.contract.broadcasts import Cuts, CutsPublished
from shared.contract.codec import encode
from shared.contract.histograms import EpochMarked, HistogramChunk
from shared.contract.topics import PARTITIONS

QUANTILES = 5


def cuts_of(partitions: Iterable[Chunks]) -> tuple[Cuts | None, int]:
    """Cuts over all partitions and the number of customers they rest on; no cuts without customers."""
    held = list(partitions)
    recency, n = _joined(held, "recency")
    if n == 0:
        return None, 0
    frequency, _ = _joined(held, "frequency")
    monetary, _ = _joined(held, "monetary")
    best_first = Sparse(recency.values[::-1], recency.counts[::-1])
    return Cuts(_quintiles(best_first, n), _quintiles(frequency, n), _quintiles(monetary, n)), n


def _joined(held: list[Chunks], measure: Measure) -> tuple[Sparse, int]:
    """One histogram, ascending; a value may stand in it several times."""
    chunks = [chunk for chunks in held for (name, _), chunk in chunks.items() if name == measure]
    if not chunks:
        return Sparse(_ints(()), _ints(())), 0
    values = np.concatenate([chunk.values for chunk in chunks])
    counts = np.concatenate([chunk.counts for chunk in chunks])
    order = np.argsort(values, kind="stable")
    return Sparse(values[order], counts[order]), int(counts.sum())


def _quintiles(histogram: Sparse, n: int) -> tuple[int, ...]:
    """Cut k is the value at position ceil(n·k/5) of the sorted population, k = 1…4 (inverted CDF)."""
    reached = np.cumsum(histogram.counts)
    positions = [-(-n * k // QUANTILES) for k in range(1, QUANTILES)]
    return tuple(histogram.values[np.searchsorted(reached, positions, side="left")].tolist())


class CutMaker:
    """Takes the records of rfm-histograms-v1 in log order and answers each epoch once, when all have marked it.

    What counts is what a partition held at its first marker of the epoch. A marker counts for nothing where its chunks
    do not add up to its population or do not have its checksum: compaction or a lost chunk may have thinned out an old
    epoch, or kept the chunk of a worker that wrote after its successor.
    """

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self._partitions = partitions
        self._held: dict[int, dict[tuple[Measure, int], tuple[int, Sparse]]] = {}
        self._marked: dict[int, int] = {}
        self._pending: dict[int, dict[int, Chunks]] = {}

    def take(self, record: HistogramChunk | EpochMarked) -> CutsPublished | None:
        """The next record of the log; the cuts of an epoch if this record completes it."""
        if record.epoch <= self._marked.get(record.partition, -1):
            return None
        if isinstance(record, HistogramChunk):
            self._keep(record)
            return None
        return self._mark(record)

    def _keep(self, record: HistogramChunk) -> None:
        held = self._held.setdefault(record.partition, {})
        key = (record.measure, record.chunk)
        if key not in held or held[key][0] <= record.epoch:
            held[key] = record.epoch, Sparse(_ints(record.counts), _ints(record.counts.values()))

    def _mark(self, record: EpochMarked) -> CutsPublished | None:
        chunks = {key: chunk for key, (_, chunk) in self._held.get(record.partition, {}).items()}
        if not _adds_up(chunks, record.population) or not _is_whole(chunks, record.checksum):
            return None
        self._marked[record.partition] = record.epoch
        marked = self._pending.setdefault(record.epoch, {})
        marked[record.partition] = chunks
        if len(marked) < self._partitions:
            return None
        # Markers of a partition rise: an older epoch that is still incomplete was left out by one and never completes.
        self._pending = {epoch: waiting for epoch, waiting in self._pending.items() if epoch > record.epoch}
        return _published(record.epoch, marked)


def _adds_up(chunks: Chunks, population: int) -> bool:
    totals = dict.fromkeys(MEASURES, 0)
    for (measure, _), chunk in chunks.items():
        totals[measure] += chunk.total
    return all(total == population for total in totals.values())


def _is_whole(chunks: Chunks, told: str) -> bool:
    """Whether these are the chunks that the marker was written for; one without a checksum says nothing of them."""
    return not told or told == checksum({key: digest(chunk) for key, chunk in chunks.items()})


def _published(epoch: int, marked: Mapping[int, Chunks]) -> CutsPublished:
    cuts, population = cuts_of(marked.values())
    digest = hashlib.blake2b(encode((cuts, population)), digest_size=8).hexdigest()
    return CutsPublished(epoch=epoch, digest=digest, cuts=cuts, population=population)


def _ints(numbers: Iterable[int]) -> Ints:
    return np.fromiter(numbers, np.int64)
