"""A stack of one build: its own launcher as a process, its addresses from the file that the launcher writes."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec

from deploy.stack.supervisor import Service, StartError, Supervisor
from shared.private_files import read_private
from tests.bench.versus.adapters import RUN, Adapter, adapter
from tests.bench.versus.builds import HOME, Build, environment
from tests.bench.versus.processes import Processes

START_WITHIN = 180.0
"""Seconds; the first start of all fetches the broker's jars."""
STOP_WITHIN = 60.0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is started."""

    services: tuple[str, ...] = ()
    """Beside broker and database."""
    scenario: bool = True
    """Time comes as ticks of ours."""
    cache: Path


class Running(msgspec.Struct, frozen=True):
    """A stack whose services all run."""

    build: Build
    adapter: Adapter
    told: Mapping[str, str]
    """What its services are told."""
    processes: Processes

    @property
    def directory(self) -> Path:
        """Its data, logs and secrets."""
        return directory_of(self.build)

    @property
    def kafka(self) -> str:
        """Bootstrap address."""
        return self.told["HUITOU_KAFKA"]

    @property
    def ingest(self) -> str:
        """Where events are sent."""
        return self.told["HUITOU_INGEST_URL"]

    @property
    def database(self) -> str:
        """SQLAlchemy address."""
        return self.told["HUITOU_DATABASE_URL"]

    def write_key(self) -> str:
        """The key of its ingest."""
        return read_private(Path(self.told["HUITOU_INGEST_KEY_FILE"])).decode("ascii").strip()

    def log_bytes(self) -> int:
        """Size of all segments of the broker."""
        return sum(file.stat().st_size for file in (self.directory / self.adapter.log).rglob("*.log"))


def directory_of(build: Build) -> Path:
    """Where the stack of a build keeps what it keeps."""
    return build.root / ".local" / RUN


@contextlib.asynccontextmanager
async def supervisor() -> AsyncIterator[Supervisor]:
    """Of all processes of the comparison; nothing outlives it."""
    one = Supervisor(HOME / "logs", env=environment())
    try:
        yield one
    finally:
        await one.stop()


@contextlib.asynccontextmanager
async def running(over: Supervisor, build: Build, terms: Terms) -> AsyncIterator[Running]:
    """A fresh stack, stopped at the end; StartError if it does not get there."""
    known, name = adapter(build.root), f"stack-{build.arm}"
    await _launch(over, build, terms, known, name)
    try:
        launcher = over.pid(name)
        if launcher is None:
            raise StartError(f"{name}: ended too early, see {over.log(name)}")
        yield Running(build, known, _variables(directory_of(build) / known.told), Processes(launcher))
    finally:
        await over.stop_one(name)


async def _launch(over: Supervisor, build: Build, terms: Terms, known: Adapter, name: str) -> None:
    directory, python = directory_of(build), str(build.python)
    await over.run(Service(name=f"empty-{build.arm}", argv=(python, *known.empty, str(directory)), cwd=build.root))
    file = directory / known.told

    async def told() -> bool:
        return file.exists()

    services, scenario = ",".join(terms.services), str(int(terms.scenario))
    service = Service(
        name=name,
        argv=(python, *known.stack, str(directory), str(terms.cache.expanduser()), services, scenario, "{}"),
        ready=told,
        ready_within=START_WITHIN,
        restart=False,
        stop_within=STOP_WITHIN,
        cwd=build.root,
    )
    await over.start(service)


@contextlib.asynccontextmanager
async def all_of(over: Supervisor, builds: Sequence[Build], terms: Terms) -> AsyncIterator[list[Running]]:
    """A stack of each build, started one after the other, alive at the same time."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(over, build, terms)) for build in builds]


def _variables(file: Path) -> dict[str, str]:
    """NAME=VALUE lines, quoted as a shell reads them."""
    words = shlex.split(file.read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words)
