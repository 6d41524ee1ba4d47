"""When a process that ended is started again, and the line that the supervisor writes about it into a log of its own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from shared import clock
from shared.instants import format_instant

OWN_LOG = "supervisor.log"
"""Beside the logs of the services."""
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def how_it_ended(code: int | None) -> str:
    """`exit code 70`, or the signal's name: asyncio gives a process that a signal ended the signal's negative number."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def pause_after(failures: int) -> float:
    """Seconds before the next start, after so many ends in a row (at least one)."""
    return BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1]


def note(logs: Path, process: str, code: int | None, *, failures: int, restarts: int) -> None:
    """One JSON line as every service writes them; `restarts` counts the start that follows."""
    at = format_instant(clock.now_ms())
    told = {"time": at, "level": "warning", "logger": "supervisor", "event": "a process ended and is started again"}
    values = {"process": process, "ended": how_it_ended(code), "pause_seconds": pause_after(failures)}
    with (logs / OWN_LOG).open("a", encoding="ascii") as file:
        file.write(json.dumps(told | values | {"restarts": restarts}) + "\n")
