"""Liveness and readiness of a process, told by its parts and read by the listener's thread.

Alive: the event loop turns, and no piece of work takes longer than it may. A process that waits for its broker is alive.
Ready: every part that was named is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import contextmanager

from shared import clock

LOOP_EVERY_SECONDS = 1.0
LOOP_WITHIN_SECONDS = 30.0
"""Three sessions of a worker: long after its group has given its partitions away."""
WORK_WITHIN_SECONDS = 60.0
"""Twice what a produce request may take."""
PATIENCE_SECONDS = 10.0
"""After which a part that has been asked for something counts as not there."""
ANSWER_SECONDS = 2.5

Ask = Callable[[], Awaitable[bool]]


class Health:
    """Parts tell it what they do; `hung` and `waiting` are safe to call from another thread."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._parts: dict[str, str] = {}
        self._busy: dict[str, tuple[float, float]] = {}
        """Work → when it began or got on, and for how many seconds it may not."""
        self._open: dict[str, tuple[float, float]] = {}
        """Part → since when it has been asked for something, and how many seconds it may take."""
        self._turned: float | None = None
        self._loop_within = LOOP_WITHIN_SECONDS
        self._asked: dict[str, tuple[asyncio.AbstractEventLoop, Ask]] = {}

    # --- readiness

    def waits(self, part: str, why: str) -> None:
        """The part is not there: `why` in a few words, without contact data."""
        self._parts[part] = why or "not there"

    def there(self, part: str) -> None:
        """The part is there."""
        self._parts[part] = ""

    def ask(self, part: str, question: Ask) -> None:
        """The part is there while `question` answers True, asked on the running loop at each reading."""
        self._asked[part] = asyncio.get_running_loop(), question

    @contextmanager
    def awaiting(self, part: str, within: float = PATIENCE_SECONDS) -> Iterator[None]:
        """What goes on inside is for another process to end: after `within` seconds the part is not there. Ours is alive."""
        self._open[part] = self._monotonic(), within
        try:
            yield
        finally:
            self._open.pop(part, None)

    def waiting(self) -> dict[str, str]:
        """Part → why it is not there. Empty: the process is ready. Never called on an event loop that parts ask on."""
        found = {part: why for part, why in self._parts.copy().items() if why}
        now = self._monotonic()
        for part, (since, within) in self._open.copy().items():
            if now - since > within:
                found[part] = f"no answer for {now - since:.0f} s"
        for part, (loop, question) in self._asked.copy().items():
            if not _answered(loop, question):
                found[part] = "does not answer"
        if not self._parts and not self._asked:
            return {"process": "starting"}
        return found

    # --- liveness

    def watch_loop(self, within: float = LOOP_WITHIN_SECONDS) -> None:
        """From now on the running event loop must turn, with no pause longer than `within` seconds."""
        loop, self._loop_within = asyncio.get_running_loop(), within

        def turn() -> None:
            self._turned = self._monotonic()
            loop.call_later(LOOP_EVERY_SECONDS, turn)

        turn()

    @contextmanager
    def working(self, work: str, within: float = WORK_WITHIN_SECONDS) -> Iterator[None]:
        """What goes on inside must end, or get on, within so many seconds."""
        self._busy[work] = self._monotonic(), within
        try:
            yield
        finally:
            self._busy.pop(work, None)

    def progress(self, work: str) -> None:
        """The work gets on: its time begins anew. Ignored while it is not going on."""
        if work in self._busy:
            self._busy[work] = self._monotonic(), self._busy[work][1]

    def unbounded(self, work: str) -> None:
        """What goes on may take any time, such as a recovery, until it ends."""
        self._busy.pop(work, None)

    def hung(self) -> dict[str, float]:
        """What hangs → seconds for which it has not moved. Empty: the process is alive."""
        now = self._monotonic()
        found = {work: now - since for work, (since, within) in self._busy.copy().items() if now - since > within}
        if self._turned is not None and now - self._turned > self._loop_within:
            found["event loop"] = now - self._turned
        return {work: round(seconds, 1) for work, seconds in found.items()}


def _answered(loop: asyncio.AbstractEventLoop, question: Ask) -> bool:
    async def asked() -> bool:
        return await question()

    asking = asked()
    try:
        answer = asyncio.run_coroutine_threadsafe(asking, loop)
    except RuntimeError:  # the loop is closed
        asking.close()
        return False
    try:
        return answer.result(ANSWER_SECONDS)
    except (NoAnswerError, CancelledError):
        answer.cancel()
        return False
