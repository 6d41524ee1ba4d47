"""Turns of a loop, idle waits and the end of them; knows no work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext


class Bell:
    """Wakes idle loops: rung when there is work, and for good when the process shall stop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.stopped = False

    def ring(self) -> None:
        """Wake all that wait now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    def stop(self) -> None:
        """Wake all, and let nobody wait again."""
        self.stopped = True
        self.ring()

    async def wait(self, seconds: float) -> None:
        """Until rung, stopped or this time has passed."""
        if self.stopped:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return


async def keep_turning(
    turn: Callable[[], Awaitable[int]],
    bell: Bell,
    *,
    idle_s: float,
    watch: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Take turns until the bell stops; a turn that found nothing to do is followed by a wait. `watch` surrounds each turn."""
    while not bell.stopped:
        with watch():
            found = await turn()
        if not found:
            await bell.wait(idle_s)
