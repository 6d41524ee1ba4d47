"""The token bucket: what a sender may send over any span, and how long he waits otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.rate import Bucket, Limit, take

TEN = Limit(per_second=10, burst=50)
REQUESTS = st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 600)), max_size=60)
LIMITS = st.builds(Limit, per_second=st.integers(1, 2_000), burst=st.integers(1, 5_000))


@pytest.mark.parametrize(
    ("bucket", "events", "now", "level", "wait"),
    [
        (None, 1, 0, 49_000, 0),
        (None, 50, 0, 0, 0),
        (None, 200, 0, -150_000, 0),  # larger than the burst: enters, and is paid back
        (Bucket(0, 0), 1, 0, 0, 1),
        (Bucket(-150_000, 0), 1, 0, -150_000, 15_001),
        (Bucket(-150_000, 0), 1, 15_000, 0, 1),
        (Bucket(-150_000, 0), 1, 15_001, -990, 0),
        (Bucket(49_000, 0), 1, 60_000, 49_000, 0),  # a rest fills it no further than the burst
        (Bucket(5_000, 1_000), 1, 0, 4_000, 0),  # a clock that ran backwards gives nothing
        (Bucket(5_000, 0), 0, 0, 5_000, 0),
    ],
)
def test_a_bucket_and_what_becomes_of_it(bucket: Bucket | None, events: int, now: int, level: int, wait: int) -> None:
    assert take(bucket, TEN, events=events, now=now) == (Bucket(level, now), wait)


@given(LIMITS, REQUESTS)
def test_over_every_span_no_more_is_taken_than_rate_and_burst_allow(
    limit: Limit, requests: list[tuple[int, int]]
) -> None:
    bucket, now, entered = None, 0, []
    for pause, events in requests:
        now += pause
        bucket, wait = take(bucket, limit, events=events, now=now)
        if not wait:
            entered.append((now, events))

    for first, (start, _) in enumerate(entered):
        for last in range(first, len(entered)):
            before = sum(events for _, events in entered[first:last])  # the last one may go beyond what was left
            assert 1_000 * before < limit.burst * 1_000 + (entered[last][0] - start) * limit.per_second


@given(LIMITS, REQUESTS)
def test_whoever_waits_as_told_enters_and_whoever_comes_earlier_does_not(
    limit: Limit, requests: list[tuple[int, int]]
) -> None:
    bucket, now = None, 0
    for pause, events in requests:
        now += pause
        bucket, wait = take(bucket, limit, events=events, now=now)
        if wait:
            assert take(bucket, limit, events=events, now=now + wait - 1).wait_ms > 0
            assert take(bucket, limit, events=events, now=now + wait).wait_ms == 0
