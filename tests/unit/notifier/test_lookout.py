"""The lookout wakes the senders while something is due, and lets them sleep otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from services.notifier.bell import Bell
from services.notifier.lookout import Lookout
from services.notifier.outbox import Outbox


class Due:
    """An outbox of which only one thing is asked."""

    def __init__(self, channels: set[str]) -> None:
        self.channels = channels

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Due]:
        yield self

    async def any_pending(self, channels: Sequence[str]) -> bool:
        return bool(self.channels & set(channels))


async def _woken(due: set[str]) -> bool:
    bell = Bell()
    sleeper = asyncio.create_task(bell.wait(30))
    await asyncio.sleep(0)
    looked = await Lookout(cast("Outbox", cast("Any", Due(due))), ("email", "sms"), bell).turn()
    await asyncio.sleep(0)
    woken = sleeper.done()
    sleeper.cancel()
    assert looked == 0
    return woken


async def test_a_due_command_of_an_own_channel_wakes_the_senders() -> None:
    assert await _woken({"sms"})


async def test_nothing_due_and_what_others_send_let_them_sleep() -> None:
    assert not await _woken(set())
    assert not await _woken({"wecom"})
