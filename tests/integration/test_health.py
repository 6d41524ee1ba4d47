"""Each state of a process by what its listener answers (docs/operations.md): working, waiting, hanging, stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from deploy.stack.stack import Stack
from services.console.tables import stream_position
from tests.support.shop_house import ShopHouse
from tests.support.stack import jar_cache

SECONDS = 60.0


async def asked(url: str, path: str) -> int | str:
    """The status; or how there was none."""
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=2.0, verify=False) as client:
            return (await client.get(f"{url}/{path}")).status_code
    except httpx2.ConnectError:
        return "refused"
    except httpx2.TimeoutException:
        return "no answer"


async def until(url: str, path: str, status: int) -> list[int | str]:
    """The answers up to this status."""
    seen: list[int | str] = []
    async with asyncio.timeout(SECONDS):
        while not seen or seen[-1] != status:
            seen.append(await asked(url, path))
    return seen


@pytest.mark.asyncio(loop_scope="session")
async def test_working_hanging_recovering_and_stopped_are_told_apart(house: ShopHouse) -> None:
    supervisor, profile = house.stack.supervisor, house.stack.metrics.urls()["profile"]
    await until(profile, "readyz", 200)
    assert await asked(profile, "healthz") == 200

    supervisor.freeze("profile")
    frozen = await asked(profile, "healthz")
    supervisor.thaw("profile")
    await until(profile, "healthz", 200)
    await supervisor.stop_one("profile")
    stopped = await asked(profile, "healthz")
    await supervisor.start_again("profile")

    assert (frozen, stopped) == ("no answer", "refused")
    assert 503 in await until(profile, "readyz", 200), "it listens before its partitions are recovered"


@pytest.mark.proof
async def test_a_process_that_waits_for_the_broker_lives_and_is_not_ready(tmp_path: Path) -> None:
    services = ("profile", "clock")
    async with Stack(directory=tmp_path, services=services, cache=jar_cache(), durable=False, brief=True) as stack:
        clock = stack.metrics.urls()["clock"]
        await until(clock, "readyz", 200)
        [broker] = stack.broker.names
        stack.supervisor.freeze(broker)
        await until(clock, "readyz", 503)
        alive = await asked(clock, "healthz")
        stack.supervisor.thaw(broker)
        await until(clock, "readyz", 200)

    assert alive == 200


@pytest.mark.proof
async def test_a_process_that_waits_for_the_database_lives_and_is_not_ready(tmp_path: Path) -> None:
    services = ("profile", "console", "clock")
    async with Stack(directory=tmp_path, services=services, cache=jar_cache(), durable=False, brief=True) as stack:
        console = stack.metrics.urls()["console"]
        await until(console, "readyz", 200)
        held = await stack.database.connect()
        async with held.transaction():
            await held.execute(f"LOCK TABLE {stream_position.fullname} IN ACCESS EXCLUSIVE MODE")
            await until(console, "readyz", 503)
            alive = await asked(console, "healthz")
        await held.close()
        await until(console, "readyz", 200)

    assert alive == 200
