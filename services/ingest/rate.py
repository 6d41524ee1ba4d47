"""How many events a sender may send: a token bucket in whole numbers, time as data. Knows no key, clock or HTTP."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

_THOUSANDTHS: Final = 1_000


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sender may do: a lasting rate, and how much of it he may save up."""

    per_second: Annotated[int, Meta(ge=1, le=10_000_000)]
    """Events that come back each second."""
    burst: Annotated[int, Meta(ge=1, le=100_000_000)]
    """Events that may come at once after a rest."""


class Bucket(NamedTuple):
    """What is left to a sender; below zero after a request that was larger than what was left."""

    level: int
    """Thousandths of an event."""
    at: int
    """Milliseconds on a clock that does not run backwards."""


class Taken(NamedTuple):
    """The bucket afterwards, and how long to wait if nothing was taken."""

    bucket: Bucket
    wait_ms: int
    """0: the events were taken."""


def take(bucket: Bucket | None, limit: Limit, *, events: int, now: int) -> Taken:
    """Take `events` (0 only looks) from a bucket, None being a full one.

    A request enters while anything is left, whatever its size: otherwise one larger than the burst could never enter.
    What it takes beyond that is paid back before the next one, so the lasting rate holds.
    """
    full = limit.burst * _THOUSANDTHS
    level = full if bucket is None else min(full, bucket.level + max(0, now - bucket.at) * limit.per_second)
    if level <= 0:
        return Taken(Bucket(level, now), -(-(1 - level) // limit.per_second))
    return Taken(Bucket(level - events * _THOUSANDTHS, now), 0)
