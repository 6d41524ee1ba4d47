"""`python -m deploy.stack up` where there is nothing but Python, and what is left when it ends, whichever way."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from deploy.stack.postgres import Postgres
from deploy.stack.stack import Stack
from deploy.stack.supervisor import StartError

ROOT = Path(__file__).parents[2]
FIRST_START_SECONDS = 180.0
LATER_START_SECONDS = 20.0
GONE_WITHIN_SECONDS = 15.0


@pytest_asyncio.fixture
async def run() -> AsyncIterator[str]:
    name = f"tests-{secrets.token_hex(4)}"
    directory = ROOT / ".local" / name
    yield name
    Postgres(directory / "postgres").remove()
    shutil.rmtree(directory, ignore_errors=True)


async def launch(run: str, empty: Path) -> asyncio.subprocess.Process:
    """The launcher with a PATH on which nothing can be found: no Docker, Java, Maven or PostgreSQL."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HUITOU_", "JAVA", "PG"))}
    if "HUITOU_CACHE" in os.environ:
        kept["HUITOU_CACHE"] = os.environ["HUITOU_CACHE"]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.stack", "up"),
        cwd=ROOT,
        env=kept | {"PATH": str(empty), "HUITOU_RUN": run, "HUITOU_SERVICES": "sandbox"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def screen(launcher: asyncio.subprocess.Process, within: float) -> str:
    """What it prints until the screen is whole."""
    assert launcher.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(within):
        while not lines or "data, logs, secrets" not in lines[-1]:
            line = await launcher.stdout.readline()
            assert line, "".join(lines)
            lines.append(line.decode())
    return "".join(lines)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
async def test_it_starts_on_an_empty_path_and_leaves_no_process_behind(
    run: str, tmp_path: Path, number: signal.Signals
) -> None:
    launcher = await launch(run, tmp_path)
    shown = await screen(launcher, FIRST_START_SECONDS)
    started = [each.pid for each in psutil.Process(launcher.pid).children(recursive=True)]
    launcher.send_signal(number)
    code = await launcher.wait()
    async with asyncio.timeout(GONE_WITHIN_SECONDS):
        while any(alive(pid) for pid in started):
            await asyncio.sleep(0.1)

    assert len(started) > 5  # broker, database with its own helpers, sandbox, watchdog
    assert all(word in shown for word in ("kafka", "postgres", "sandbox", "http://127.0.0.1:"))
    assert code == (0 if number == signal.SIGINT else -signal.SIGKILL)


async def test_what_was_stored_survives_a_restart_and_a_second_launcher_is_refused(run: str) -> None:
    directory = ROOT / ".local" / run
    async with Stack(directory=directory) as stack:
        connection = await stack.database.connect()
        await connection.execute("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('再来')")
        await connection.close()
        before = stack.kafka
        with pytest.raises(StartError, match="another launcher runs here"):
            await Stack(directory=directory).__aenter__()
    async with asyncio.timeout(LATER_START_SECONDS), Stack(directory=directory) as stack:
        connection = await stack.database.connect()
        word = await connection.fetchval("SELECT word FROM kept")
        await connection.close()
        after = stack.kafka

    assert word == "再来"
    assert after == before
