"""The stack of another commit, started by its own launcher and filled by its own commands."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec

from deploy.stack.keys import Secrets, ensure
from tests.bench.versus.adapters import LAUNCH
from tests.bench.versus.builds import environment

START_WITHIN = 180.0
STOP_WITHIN = 60.0


class Older(msgspec.Struct, frozen=True, kw_only=True):
    """A stack that runs; has the part of deploy.stack.stack.Stack that a scenario needs."""

    root: Path
    """Of its build."""
    directory: Path
    told: Mapping[str, str]
    """What its services are told."""
    secrets: Secrets

    @property
    def kafka(self) -> str:
        """Bootstrap address."""
        return self.told["HUITOU_KAFKA"]

    @property
    def http_url(self) -> str:
        """Where ingest listens."""
        return self.told["HUITOU_INGEST_URL"]

    @property
    def sandbox_url(self) -> str:
        """Where the providers' sandbox listens."""
        return self.told["HUITOU_SANDBOX_URL"]

    @property
    def database_url(self) -> str:
        """SQLAlchemy address."""
        return self.told["HUITOU_DATABASE_URL"]

    async def command(self, *words: str) -> str:
        """`python -m WORDS` of that build on this stack; what it said. RuntimeError if it failed."""
        process = await asyncio.create_subprocess_exec(
            *(str(_python(self.root)), "-m", *words),
            cwd=self.root,
            env=environment() | dict(self.told),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{shlex.join(words)} ended with {process.returncode}: {said.decode()[-2_000:]}")
        return said.decode()


@contextlib.asynccontextmanager
async def older(
    root: Path, directory: Path, cache: Path, services: Sequence[str], told: Mapping[str, str]
) -> AsyncIterator[Older]:
    """The stack of the build at `root`, stopped in order at the end; RuntimeError if it does not get up or down."""
    file = directory / "env"
    words = (str(directory), str(cache), ",".join(services), "1", msgspec.json.encode(told).decode())
    process = await asyncio.create_subprocess_exec(
        str(_python(root)), str(LAUNCH), *words, cwd=root, env=environment(), stdin=DEVNULL
    )
    try:
        async with asyncio.timeout(START_WITHIN):
            while not file.exists():
                if process.returncode is not None:
                    raise RuntimeError(f"{root.name}: its stack ended with {process.returncode}; see {directory}/logs")
                await asyncio.sleep(0.1)
        lines = shlex.split(file.read_text(encoding="utf-8"))
        known = dict(line.split("=", 1) for line in lines)
        yield Older(root=root, directory=directory, told=known, secrets=ensure(directory / "secrets"))
    finally:
        await _stopped(process)


async def _stopped(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_WITHIN)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise RuntimeError(f"the older stack did not stop within {STOP_WITHIN:.0f} s") from None


def _python(root: Path) -> Path:
    return root / ".venv" / "bin" / "python"
