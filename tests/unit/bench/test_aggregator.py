"""The job: the same answer whether the engine fences or the job does, and an outcome that can tell right from wrong."""

from __future__ import annotations

import contextlib
from collections import Counter

import msgspec
import pytest

from services.rehearsal.pipeline import Given
from shared.contract.partitioner import partition_of
from shared.engine.step.partition import Partition
from tests.bench.aggregator import job
from tests.bench.aggregator.events import events
from tests.bench.aggregator.fold import AggregatorFold
from tests.bench.figures import Sheet
from tests.bench.peers.contest import report
from tests.bench.peers.exact import Exactness, Expected
from tests.bench.peers.hosts import FAUST_HOST, OURS, QUIX
from tests.bench.peers.pace import Pace
from tests.bench.peers.race import Result
from tests.oracle.reader import LogRecord

COUNT, CUSTOMERS = 600, 40


def _log() -> list[LogRecord]:
    ends: Counter[int] = Counter()
    found: list[LogRecord] = []
    for key, value in events("test", COUNT, CUSTOMERS):
        number = partition_of(key)
        found.append(LogRecord(number, ends[number], 1_000 + ends[number], key, value))
        ends[number] += 1
    return found


def _answers_of_jobs_own_fence(log: list[LogRecord]) -> list[LogRecord]:
    kept: dict[bytes, bytes] = {}
    found: list[LogRecord] = []
    for one in log:
        assert one.key is not None
        assert one.value is not None
        kept[one.key], said = job.apply(
            kept.get(one.key), one.value, partition=one.partition, offset=one.offset, appended=one.timestamp
        )
        found.append(LogRecord(one.partition, len(found), one.timestamp, one.key, said))
    return found


def _answers_of_engine(log: list[LogRecord]) -> list[bytes]:
    found: list[bytes] = []
    for number in sorted({one.partition for one in log}):
        core = Partition(AggregatorFold("aggregator", "answers"), partition=number, seal=lambda *_: "")
        for one in log:
            if one.partition == number:
                core.apply(Given(one.offset, one.key, one.value, one.timestamp))
        assert core.counts.poison == 0
        found += [emit.value for emit in core.drain().emits]
    return found


def test_every_event_is_answered_alike_by_both_fences() -> None:
    log = _log()

    engine, plain = _answers_of_engine(log), [one.value for one in _answers_of_jobs_own_fence(log)]

    assert len(engine) == COUNT
    assert sorted(engine) == sorted(value for value in plain if value is not None)


def test_the_input_holds_every_customer_and_some_events_twice() -> None:
    read = [msgspec.json.decode(value, type=job.Event) for _, value in events("test", COUNT, CUSTOMERS)]

    assert {event.customer for event in read} == {f"c{number:07d}" for number in range(CUSTOMERS)}
    assert 0 < COUNT - len({event.id for event in read}) < COUNT // 10


def test_an_event_sent_twice_counts_once_and_one_taken_again_is_answered_from_the_state() -> None:
    raw = b'{"id":"a","type":"purchase","customer":"c","amount":1.5,"ts":7}'

    kept, first = job.apply(None, raw, partition=1, offset=4, appended=9)
    sent_twice, second = job.apply(kept, raw, partition=1, offset=5, appended=10)
    again, third = job.apply(sent_twice, raw, partition=1, offset=4, appended=9)

    said = [msgspec.json.decode(answer, type=job.Answer) for answer in (first, second, third)]
    assert [(one.count, one.total, one.offset) for one in said] == [(1, 150, 4), (1, 150, 5), (1, 150, 4)]
    assert again == sent_twice


def test_right_answers_are_exact_also_when_given_again() -> None:
    log = _log()
    expected = Expected()
    expected.extend(log[:300])
    expected.extend(log)
    answers = _answers_of_jobs_own_fence(log)

    found = expected.compare([*answers, *answers[-3:]])

    assert found == Exactness(expected=COUNT, missing=0, wrong=0, repeated=3, customers=0)
    assert found.ok


def test_a_missing_answer_and_a_wrong_one_are_seen() -> None:
    log = _log()
    expected = Expected()
    expected.extend(log)
    answers = _answers_of_jobs_own_fence(log)
    spoiled = msgspec.json.decode(answers[-1].value or b"", type=job.Answer)
    wrong = msgspec.json.encode(msgspec.structs.replace(spoiled, total=spoiled.total + 1))

    found = expected.compare([*answers[1:-1], msgspec.structs.replace(answers[-1], value=wrong)])

    assert (found.missing, found.wrong, found.customers, found.ok) == (1, 1, 1, False)


@pytest.mark.parametrize(("host", "fatal"), [(OURS, True), (FAUST_HOST, True), (QUIX, False)])
def test_an_answer_wrong_of_ours_ends_the_bench_one_of_a_peer_is_told(host: str, fatal: bool) -> None:  # noqa: FBT001
    exact = Exactness(expected=9, missing=0, wrong=1, repeated=0, customers=1)
    run = Result(pace=Pace(0, 1.0, 1.0), start=1, rss=1, back=None, exact=exact)
    sheet = Sheet()

    with pytest.raises(RuntimeError, match="not exact") if fatal else contextlib.nullcontext():
        report(sheet, {host: [run]})

    assert sheet.value(f"peers: {host}, answers wrong or missing") == 1
