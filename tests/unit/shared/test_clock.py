"""The clock: wall time in milliseconds, and a time that never runs backwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared import clock
from shared.instants import EARLIEST, LATEST


def test_now_is_the_machine_s_wall_time_in_whole_milliseconds(tmp_path: Path) -> None:
    before = clock.now_ms()
    (tmp_path / "stamp").touch()
    after = clock.now_ms()

    stamped = datetime.fromtimestamp((tmp_path / "stamp").stat().st_mtime, UTC)
    slack = timedelta(milliseconds=50)  # a file system's clock is coarser than the machine's
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    assert EARLIEST < before <= after < LATEST
    assert epoch + timedelta(milliseconds=before) - slack <= stamped <= epoch + timedelta(milliseconds=after) + slack


def test_monotonic_time_never_runs_backwards() -> None:
    readings = [clock.monotonic() for _ in range(1_000)]

    assert readings == sorted(readings)
