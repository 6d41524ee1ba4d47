"""The cut maker by example: given records of the histograms' log, then at most one answer per epoch."""

from __future__ import annotations

from services.segmenter.cuts import CutMaker
from services.segmenter.histograms import Measure
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
