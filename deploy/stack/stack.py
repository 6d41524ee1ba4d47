"""The whole product, or its broker and database alone, as a context manager: knows the order of things only."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit

import httpx2

from deploy.create_topics import create
from deploy.stack import ports
from deploy.stack.environment import PORTS, Addresses, environment, interpreter
from deploy.stack.kafka import Kafka
from deploy.stack.keys import Secrets, ensure
from deploy.stack.plan import CLOCK, Entry, Step, another, chosen, require_known
from deploy.stack.postgres import Postgres
from deploy.stack.supervisor import Service, StartError, Supervisor
from deploy.stack.targets import Targets, port_names
from shared.private_files import create_private

CACHE = Path("~/.cache/huitou")
"""Where verified jars are kept when nobody says otherwise; shared by all checkouts."""
ROOT = Path(__file__).parents[2]


class Stack:
    """`async with Stack(directory=…) as stack:` gives a running broker and database, and the services named."""

    def __init__(
        self,
        *,
        directory: Path,
        services: Sequence[str] = (),
        scenario: bool = False,
        env: Mapping[str, str] | None = None,
        entry: Mapping[str, Entry] | None = None,
        cache: Path = CACHE,
        durable: bool = True,
        brief: bool = False,
        nodes: int = 1,
    ) -> None:
        """Nothing is started yet; what is kept stays in `directory`.

        `services` are names of deploy/stack/plan.py; `env` may replace parts of the environment made here;
        `entry`: name of a service → the program that runs in its place; PlanError if a name is none of the plan;
        `durable=False` spares the database its fsync and removes its data at the end; `brief`: the broker is for a minute or two (tests).
        """
        self.directory = directory.resolve()
        self._steps = chosen(tuple(services))
        self._scenario = scenario
        self._extra = dict(env or {})
        self._entry = dict(entry or {})
        require_known("entry", self._entry)
        self._nodes = nodes
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HUITOU_")}
        inherited["PYTHONUNBUFFERED"] = "1"  # a line that sits in a buffer is lost with a kill
        self.supervisor = Supervisor(self.directory / "logs", env=inherited)
        self.broker = Kafka(self.directory / "kafka", cache=cache.expanduser(), nodes=nodes, brief=brief)
        self.database = Postgres(self.directory / "postgres", durable=durable)
        self._durable = durable
        self._lock: IO[bytes] | None = None
        self._ports: dict[str, int] = {}
        self._secrets: Secrets | None = None
        self.metrics = Targets(self.directory)
        """Where the services answer for their health; there after the start."""

    @property
    def kafka(self) -> str:
        """Bootstrap address."""
        return self.broker.bootstrap

    @property
    def database_url(self) -> str:
        """SQLAlchemy address of the database."""
        return self.database.database_url

    @property
    def http_url(self) -> str:
        """Where ingest listens."""
        return self._url("http")

    @property
    def console_url(self) -> str:
        """Where people look."""
        return self._url("console")

    @property
    def sandbox_url(self) -> str:
        """Where the providers' sandbox listens."""
        return self._url("sandbox")

    @property
    def secrets(self) -> Secrets:
        """Files of generated secrets; there after the start."""
        if self._secrets is None:
            raise StartError("secrets: the stack was not started")
        return self._secrets

    async def __aenter__(self) -> Self:
        """Start everything; what was started is stopped again if a part fails."""
        self._take_lock()
        try:
            steps = {step.name: step for step in self._steps}
            self._ports = ports.remembered(self.directory / "ports.json", [*PORTS, *port_names(steps).values()])
            self.metrics.add(steps, self._ports)
            self._secrets = ensure(self.directory / "secrets")
            (self.directory / "env").unlink(missing_ok=True)
            await asyncio.gather(self.broker.start(self.supervisor), self.database.start(self.supervisor))
            if self._steps:
                await create(self.kafka, replication=min(3, self._nodes))
            await self._start_all()
            self._write_environment()
        except BaseException:  # cancelled or interrupted, too: nothing may be left running; it goes on to the caller
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything in reverse order."""
        await self.stop()

    async def stop(self) -> None:
        """Stop everything in reverse order; safe to call twice."""
        await self.supervisor.stop()
        self.database.tidy()
        if not self._durable:
            self.database.remove()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def environment(self) -> dict[str, str]:
        """What every service of this stack is told; `env` of the constructor has the last word."""
        told = environment(
            self.directory,
            addresses=Addresses(kafka=self.kafka, database_url=self.database_url, ports=self._ports),
            secrets=self.secrets,
            scenario=self._scenario,
        )
        return told | self._extra

    def _write_environment(self) -> None:
        """What the services are told, for commands on this stack: `set -a; . FILE; set +a`."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(self.environment().items())]
        create_private(self.directory / "env", "".join(lines).encode())

    async def _start_all(self) -> None:
        """What runs once, in order; then the services side by side, the clock when all of them listen."""
        for step in (each for each in self._steps if each.once):
            await self._start(step)
        await asyncio.gather(*(self._start(each) for each in self._steps if not each.once and each.name != CLOCK))
        for step in (each for each in self._steps if each.name == CLOCK):
            await self._start(step)

    async def start_another(self, name: str, number: int, *, static: bool = False) -> str:
        """One more process of a service, which shares its work; its name, such as `profile-2`. PlanError if it runs once.

        `static` members keep their partitions over a restart, and for a session after they left; others give them up.
        """
        step = another(name)
        extra = f"{name}-{number}"
        one_more = {extra: step}
        names = port_names(one_more).values()
        self.metrics.add(one_more, ports.remembered(self.directory / "ports.json", names))
        env = self.environment() | ({"HUITOU_INSTANCE": extra} if static else {})
        await self.supervisor.start(self._service(step, extra, env))
        return extra

    async def _start(self, step: Step) -> None:
        service = self._service(step, step.name, self.environment() | {"HUITOU_INSTANCE": f"{step.name}-1"})
        if step.once:
            await self.supervisor.run(service)
        else:
            await self.supervisor.start(service)

    def _service(self, step: Step, name: str, env: Mapping[str, str]) -> Service:
        program = self._entry.get(step.name, step)
        return Service(
            name=name,
            argv=(interpreter(env), "-m", program.module, *program.arguments),
            env={**env, **self.metrics.env(name)},
            ready=None if step.port is None else _answers(f"http://{ports.HOST}:{env[step.port]}/"),
            cwd=ROOT,
        )

    def _url(self, name: str) -> str:
        if name not in self._ports:
            raise StartError(f"{name}: no port yet, the stack was not started")
        return f"http://{ports.HOST}:{self._ports[name]}"

    def _take_lock(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.directory)


def emptied(directory: Path) -> Path:
    """The directory without what an earlier run left in it; StartError while a launcher runs there."""
    unused(directory)
    Postgres(directory / "postgres").remove()
    shutil.rmtree(directory, ignore_errors=True)
    return directory


def unused(directory: Path) -> None:
    """StartError while a launcher runs in the directory."""
    if (directory / "lock").exists():
        _lock(directory).close()


def _lock(directory: Path) -> IO[bytes]:
    """One launcher per directory: two would write into each other's logs."""
    lock = (directory / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StartError(f"{directory}: another launcher runs here; stop it first") from None
    return lock


def _answers(url: str) -> Callable[[], Awaitable[bool]]:
    """Whether a web server answers at all; what it answers is its own affair."""
    port = urlsplit(url).port or 0

    async def ready() -> bool:
        if ports.is_free(port):  # a client costs more than this look, which is taken many times a second
            return False
        try:
            async with httpx2.AsyncClient(trust_env=False, timeout=2.0) as client:
                return (await client.get(url)).status_code < 500
        except httpx2.HTTPError:
            return False

    return ready
