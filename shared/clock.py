"""The only reader of the machine's clocks. Knows the present; not calendars, zones or written time."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Wall time in milliseconds since 1970 UTC; it may jump when the machine's clock is set."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds from an arbitrary start that never run backwards: for durations and deadlines only."""
    return time.monotonic()
