"""`python -m deploy.stack up` where there is nothing but Python, and what is left when it ends, whichever way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import pytest_asyncio

from deploy.stack.postgres import Postgres
from deploy.stack.stack import Stack
from deploy.stack.supervisor import StartError
from shared import clock
from tests.support import starts

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
FIRST_START_SECONDS = 180.0
LATER_START_SECONDS = 60.0
"""Whatever else the machine does: nothing is fetched, and nothing waits for the dead."""
GONE_WITHIN_SECONDS = 15.0
ENDS = (signal.SIGINT, signal.SIGKILL)


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


class Life(NamedTuple):
    """What one launcher showed and left."""

    shown: str
    processes: int
    code: int
    left: list[int]
    """Processes that outlived it by GONE_WITHIN_SECONDS."""
    seconds: float
    """Until its screen was whole."""
    broker: str
    word: str
    """As the database has it."""
    refused: bool
    """A second launcher was refused meanwhile."""


async def live(run: str, empty: Path, number: signal.Signals) -> Life:
    """One launcher from its start to its end by this signal."""
    directory, began = ROOT / ".local" / run, clock.monotonic()
    launcher = await launch(run, empty)
    shown = await screen(launcher, FIRST_START_SECONDS)
    seconds = clock.monotonic() - began
    starts.note()
    started = [each.pid for each in psutil.Process(launcher.pid).children(recursive=True)]
    word, refused = await kept(directory), await second_is_refused(directory)
    broker = (directory / "env").read_text("utf-8").partition("HUITOU_KAFKA=")[2].splitlines()[0]
    launcher.send_signal(number)
    code = await launcher.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GONE_WITHIN_SECONDS):
            while any(alive(pid) for pid in started):
                await asyncio.sleep(0.1)
    left = [pid for pid in started if alive(pid)]
    return Life(shown, len(started), code, left, seconds, broker, word, refused)


async def kept(directory: Path) -> str:
    """The word in the table of the run, which is made by whoever asks first."""
    connection = await Postgres(directory / "postgres").connect()
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (number serial, word text)")
        word = await connection.fetchval("SELECT word FROM kept ORDER BY number DESC LIMIT 1")
        await connection.execute("INSERT INTO kept (word) VALUES ('再来')")
    finally:
        await connection.close()
    return word or ""


async def second_is_refused(directory: Path) -> bool:
    """Whether another launcher is told that one runs."""
    try:
        await Stack(directory=directory).__aenter__()
    except StartError as error:
        return "another launcher runs here" in str(error)
    return False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lives(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[signal.Signals, Life]]:
    """Two launchers of one installation, one after the other, each ended in its way."""
    run = f"tests-{secrets.token_hex(4)}"
    directory = ROOT / ".local" / run
    try:
        yield {number: await live(run, tmp_path_factory.mktemp("empty"), number) for number in ENDS}
    finally:
        Postgres(directory / "postgres").remove()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
async def test_it_starts_on_an_empty_path_and_leaves_no_process_behind(
    lives: dict[signal.Signals, Life], number: signal.Signals
) -> None:
    life = lives[number]

    assert life.processes > 5  # broker, database with its own helpers, sandbox, watchdog
    assert all(word in life.shown for word in ("kafka", "postgres", "sandbox", "http://127.0.0.1:"))
    assert life.code == (0 if number == signal.SIGINT else -signal.SIGKILL)
    assert life.left == []


async def test_what_was_stored_survives_a_restart_and_a_second_launcher_is_refused(
    lives: dict[signal.Signals, Life],
) -> None:
    first, later = lives[signal.SIGINT], lives[signal.SIGKILL]

    assert (first.word, later.word) == ("", "再来")
    assert first.broker == later.broker != ""
    assert later.seconds < LATER_START_SECONDS
    assert (first.refused, later.refused) == (True, True)
