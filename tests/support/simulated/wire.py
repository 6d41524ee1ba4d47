"""The network between one process and the broker: delays, requests that outlive their sender, and the points where faults strike."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

from tests.support.simulated.loop import Process, VirtualLoop

T = TypeVar("T")
Strike = Callable[[Process], None]
"""Called before a request is sent and when it has been carried out; may freeze or kill the process."""


class Wire:
    def __init__(self, loop: VirtualLoop, process: Process, rnd: random.Random, strike: Strike) -> None:
        self.loop, self.process, self.rnd = loop, process, rnd
        self._strike = strike
        self._buffered = rnd.uniform(0, 0.01)

    def delay(self) -> float:
        """Seconds; now and then a slow one."""
        return self.rnd.uniform(0.0005, 0.004) if self.rnd.random() < 0.95 else self.rnd.uniform(0.01, 0.4)

    async def call(self, request: Callable[[], T], *, quiet: bool = False) -> T:
        """One round trip. What is on its way when the process dies arrives or is lost, the later the more likely lost."""
        if not quiet:
            self._strike(self.process)
            await asyncio.sleep(0)  # a frozen process sends this when it goes on
        self.process.check()
        answer: asyncio.Future[T] = self.loop.create_future()

        def arrive() -> None:
            if self.process.dead and self.loop.time() > self.process.died_at + self._buffered:
                return
            result = request()
            if not quiet:
                self._strike(self.process)
            self.loop.outside(self.delay(), lambda: None if answer.done() else answer.set_result(result))

        self.loop.outside(self.delay(), arrive)
        return await answer
