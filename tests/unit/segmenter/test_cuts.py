"""The cut maker by example: given records of the histograms' log, then at most one answer per epoch."""

from __future__ import annotations

import msgspec
import numpy as np

from services.segmenter.cuts import CutMaker
from services.segmenter.histograms import Measure, Sparse, checksum, digest
from shared.contract.broadcasts import Cuts, CutsPublished
from shared.contract.histograms import EpochMarked, HistogramChunk

Log = list[HistogramChunk | EpochMarked]


def chunk(partition: int, epoch: int, measure: Measure, counts: dict[int, int]) -> HistogramChunk:
    return HistogramChunk(partition=partition, epoch=epoch, measure=measure, chunk=0, counts=counts)


def marker(partition: int, epoch: int, population: int) -> EpochMarked:
    return EpochMarked(partition=partition, epoch=epoch, population=population)


def counts(partition: int, epoch: int, counts: dict[int, int]) -> Log:
    """The same histogram in all three measures."""
    measures: tuple[Measure, ...] = ("recency", "frequency", "monetary")
    return [chunk(partition, epoch, measure, counts) for measure in measures]


def whole(partition: int, epoch: int, held: dict[int, int]) -> Log:
    return [*counts(partition, epoch, held), marker(partition, epoch, sum(held.values()))]


def answers(log: Log, *, partitions: int = 2) -> list[CutsPublished]:
    maker = CutMaker(partitions)
    return [answer for record in log if (answer := maker.take(record)) is not None]


def test_an_epoch_is_answered_when_the_last_partition_has_marked_it() -> None:
    log = [*whole(0, 60, {1: 1, 2: 1}), *whole(1, 60, {3: 1, 4: 1, 5: 1})]

    assert answers(log[:-1]) == []
    [answer] = answers(log)
    assert (answer.epoch, answer.population) == (60, 5)
    assert answer.cuts == Cuts(recency=(5, 4, 3, 2), frequency=(1, 2, 3, 4), monetary=(1, 2, 3, 4))


def test_an_epoch_is_answered_once_and_by_what_stood_at_the_first_marker() -> None:
    log = [
        *whole(0, 60, {1: 1}),
        *counts(0, 60, {9: 1}),
        marker(0, 60, 1),
        *whole(1, 60, {1: 1}),
        *whole(1, 60, {9: 1}),
    ]

    assert [answer.cuts for answer in answers(log)] == [Cuts((1,) * 4, (1,) * 4, (1,) * 4)]


def test_a_partition_that_runs_ahead_is_counted_as_it_was_at_each_epoch() -> None:
    log = [*whole(0, 60, {1: 1}), *whole(0, 120, {7: 1}), *whole(1, 60, {}), *whole(1, 120, {})]

    assert [(answer.epoch, answer.cuts and answer.cuts.monetary[0]) for answer in answers(log)] == [(60, 1), (120, 7)]


def test_unchanged_chunks_need_not_be_repeated() -> None:
    log = [*whole(0, 60, {1: 1}), *whole(1, 60, {2: 1}), marker(0, 120, 1), *whole(1, 120, {3: 1})]

    assert [answer.cuts and answer.cuts.monetary for answer in answers(log)] == [(1, 1, 2, 2), (1, 1, 3, 3)]


def test_a_chunk_of_an_older_epoch_is_ignored() -> None:
    log = [*counts(0, 120, {5: 1}), *counts(0, 60, {1: 1}), marker(0, 120, 1), *whole(1, 120, {})]

    [answer] = answers(log)
    assert answer.cuts == Cuts((5,) * 4, (5,) * 4, (5,) * 4)


def test_a_marker_whose_chunks_were_compacted_away_counts_for_nothing() -> None:
    thinned = [record for record in whole(0, 60, {1: 1}) if isinstance(record, EpochMarked)]
    log = [*thinned, *whole(1, 60, {2: 1}), *whole(0, 120, {1: 1}), *whole(1, 120, {2: 1})]

    assert [answer.epoch for answer in answers(log)] == [120]


def test_an_epoch_that_one_partition_leapt_over_is_never_answered() -> None:
    log = [*whole(0, 60, {1: 1}), *whole(0, 120, {1: 1}), *whole(1, 120, {2: 1}), *whole(1, 60, {2: 1})]

    assert [answer.epoch for answer in answers(log)] == [120]


def test_nobody_in_the_window_means_no_cuts() -> None:
    [answer] = answers([*whole(0, 60, {}), *whole(1, 60, {})])

    assert (answer.cuts, answer.population) == (None, 0)


def test_the_digest_tells_contents_apart_and_nothing_else() -> None:
    first, same, other = (
        answers([*whole(0, 60, left), *whole(1, 60, right)])[0].digest
        for left, right in (({1: 1}, {2: 1}), ({2: 1}, {1: 1}), ({1: 1}, {3: 1}))
    )

    assert first == same != other


def test_a_chunk_that_a_late_writer_left_behind_its_successors_makes_no_cuts() -> None:
    """After compaction the log of partition 0 holds epoch 60's chunk of a zombie, written after the owner's of epoch 120."""
    measures: tuple[Measure, ...] = ("recency", "frequency", "monetary")
    held = {(measure, 0): digest(Sparse(np.array([7]), np.array([1]))) for measure in measures}
    fresh: Log = counts(0, 120, {7: 1})
    late = chunk(0, 60, "monetary", {1: 1})
    told = EpochMarked(partition=0, epoch=120, population=1, checksum=checksum(held))
    other = whole(1, 120, {2: 1})

    as_written = answers([*fresh, told, late, *other])
    compacted = answers([*fresh[:2], told, late, *other])
    behind = answers([*fresh[:2], late, told, *other])
    without_checksum = answers([*fresh[:2], late, marker(0, 120, 1), *other])
    again = answers(
        [
            *fresh[:2],
            late,
            told,
            *other,
            *counts(0, 180, {7: 1}),
            msgspec.structs.replace(told, epoch=180),
            *whole(1, 180, {2: 1}),
        ]
    )

    assert [one.cuts and one.cuts.monetary for one in as_written] == [(2, 2, 7, 7)]
    assert [compacted, behind] == [[], []]
    assert [one.cuts and one.cuts.monetary for one in without_checksum] == [(1, 1, 2, 2)], "the fault that it ends"
    assert [(one.epoch, one.cuts and one.cuts.monetary) for one in again] == [(180, (2, 2, 7, 7))]


def test_the_checksum_is_that_of_the_values_whatever_their_order_and_of_no_empty_chunk() -> None:
    def of(*pairs: tuple[int, int]) -> bytes:
        return digest(Sparse(np.array([value for value, _ in pairs]), np.array([count for _, count in pairs])))

    assert of((1, 2), (3, 4)) == of((3, 4), (1, 2)) != of((1, 4), (3, 2))
    assert checksum({("recency", 0): of((1, 2)), ("monetary", 3): of()}) == checksum({("recency", 0): of((1, 2))})
    assert checksum({("monetary", 0): of((1, 2))}) != checksum({("monetary", 1): of((1, 2))})
