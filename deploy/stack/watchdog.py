"""Kills what a dead launcher left behind: knows process groups by number and the launcher by a pipe, nothing else.

It reads lines `+GROUP` and `-GROUP` from standard input, whose other end only the launcher holds. At the end of input
(the launcher's death, or its good-bye) each group still listed gets a moment to end by itself and is then killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading

GRACE_SECONDS = 4.0
STEP_SECONDS = 0.1


def main() -> None:
    """Wait for the launcher's end, then for the end of its processes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    pause = threading.Event()
    left = GRACE_SECONDS
    while left > 0 and any(alive(group) for group in groups):
        pause.wait(STEP_SECONDS)
        left -= STEP_SECONDS
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
