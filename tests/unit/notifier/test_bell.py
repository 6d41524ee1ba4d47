"""Loops turn while there is work, wait when there is none, and end when told."""

from __future__ import annotations

import asyncio

from services.notifier.bell import Bell, keep_turning


async def test_a_ring_ends_the_waits_of_now_and_no_later_one() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.wait(30))
    await asyncio.sleep(0)

    bell.ring()
    await waiting
    later = asyncio.create_task(bell.wait(0.01))
    await asyncio.sleep(0)

    assert not later.done()
    await later


async def test_turns_follow_each_other_while_there_is_work_and_the_stop_ends_the_wait() -> None:
    bell, found = Bell(), [3, 2, 0]
    taken: list[int] = []

    async def turn() -> int:
        taken.append(found.pop(0))
        if not found:
            asyncio.get_running_loop().call_soon(bell.stop)
        return taken[-1]

    await asyncio.wait_for(keep_turning(turn, bell, idle_s=30), timeout=5)

    assert taken == [3, 2, 0]
