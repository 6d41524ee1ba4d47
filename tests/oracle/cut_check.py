"""Each published cut against the population at its epoch instant; knows measures and ticks, no customer's history."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from tests.oracle.answers import Answer
from tests.oracle.findings import Check, Difference, tally
from tests.oracle.rfm import Measure, cuts_of


def check_cuts(answer: Answer) -> Check:
    """Cuts and population of every distinct publication; one without its tick in every partition is a difference."""
    published = sorted({(cuts.epoch, cuts.digest, cuts.population, cuts.cuts) for cuts in answer.published}, key=str)
    found = []
    for epoch, digest, population, cuts in published:
        where = f"epoch {epoch} digest {digest}"
        missing = [partition for partition, marks in answer.epochs.items() if epoch not in marks]
        if missing:
            found.append(Difference(where, "a tick that enters the epoch", f"none in partitions {missing}"))
            continue
        people = population_at(answer, epoch)
        expected = f"{len(people)} customers, {cuts_of(people)}"
        got = f"{population} customers, {cuts}"
        if expected != got:
            found.append(Difference(where, expected, got))
    return tally("cuts", len(published), found)


def population_at(answer: Answer, epoch: int) -> list[Measure]:
    """Measures of everybody in the population after the tick that entered the epoch, per partition its own."""
    tick = {partition: marks[epoch] for partition, marks in answer.epochs.items()}
    found = [_measure_after(one.measures, tick[answer.partitions[who]]) for who, one in answer.customers.items()]
    return [measure for measure in found if measure is not None]


def _measure_after(measures: Sequence[tuple[int, Measure | None]], offset: int) -> Measure | None:
    before = bisect.bisect_right(measures, offset, key=lambda entry: entry[0])
    return measures[before - 1][1] if before else None
