"""Each state of a process by what its listener answers (docs/operations.md): working, waiting, hanging, stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2

from deploy.stack.stack import Stack
from tests.support.stack import jar_cache


async def asked(url: str, path: str) -> int | str:
    """The status; or how there was none."""
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=2.0) as client:
            return (await client.get(f"{url}/{path}")).status_code
    except httpx2.ConnectError:
        return "refused"
    except httpx2.TimeoutException:
        return "no answer"


async def test_working_waiting_hanging_and_stopped_are_told_apart(tmp_path: Path) -> None:
    services = ("profile", "clock")
    async with Stack(directory=tmp_path, services=services, cache=jar_cache(), durable=False, brief=True) as stack:
        profile, clock = stack.metrics.urls()["profile"], stack.metrics.urls()["clock"]
        async with asyncio.timeout(60):
            while {await asked(profile, "readyz"), await asked(clock, "readyz")} != {200}:
                await asyncio.sleep(0.05)
        assert {await asked(profile, "healthz"), await asked(clock, "healthz")} == {200}

        [broker] = stack.broker.names
        stack.supervisor.freeze(broker)
        async with asyncio.timeout(60):
            while await asked(clock, "readyz") != 503:
                await asyncio.sleep(0.2)
        assert await asked(clock, "healthz") == 200, "who waits for the broker is alive"
        stack.supervisor.thaw(broker)
        async with asyncio.timeout(60):  # a worker that was away for longer than its session ends and comes back
            while {await asked(profile, "readyz"), await asked(clock, "readyz")} != {200}:
                await asyncio.sleep(0.2)

        stack.supervisor.freeze("profile")
        assert await asked(profile, "healthz") == "no answer"
        stack.supervisor.thaw("profile")
        async with asyncio.timeout(60):
            while await asked(profile, "healthz") != 200:
                await asyncio.sleep(0.2)

        await stack.supervisor.stop_one("profile")
        assert await asked(profile, "healthz") == "refused"
        await stack.supervisor.start_again("profile")
        seen: list[int | str] = []
        async with asyncio.timeout(60):
            while not seen or seen[-1] != 200:
                seen.append(await asked(profile, "readyz"))
        assert 503 in seen, "it listens before its partitions are recovered"
