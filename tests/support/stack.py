"""The broker and the database that tests run on: embedded (default), in containers, or external; see HUITOU_STACK."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy.engine import make_url

from deploy.create_topics import Declared, create
from deploy.stack.kafka import Kafka
from deploy.stack.postgres import Postgres
from deploy.stack.stack import CACHE
from deploy.stack.supervisor import Supervisor

ROOT = Path(__file__).parents[2]
KINDS = ("embedded", "containers", "external")


def jar_cache() -> Path:
    """Where the broker's jars are kept: HUITOU_CACHE, by default the user's cache."""
    return Path(os.environ.get("HUITOU_CACHE", str(CACHE))).expanduser()


class House(Protocol):
    """Where tests get a broker and a database from; each is started when first asked for."""

    async def kafka(self) -> str:
        """Bootstrap address."""

    async def database(self) -> str:
        """SQLAlchemy address (asyncpg) of some database whose user may create others."""

    async def close(self) -> None:
        """Stop what was started."""


def house(environment: Mapping[str, str]) -> House:
    """The kind that HUITOU_STACK names."""
    kind = environment.get("HUITOU_STACK", "embedded")
    if kind not in KINDS:
        raise pytest.UsageError(f"HUITOU_STACK: {kind!r} is none of {', '.join(KINDS)}")
    if kind == "external":
        return External(environment)
    return Containers() if kind == "containers" else Embedded(jar_cache())


class Embedded:
    """deploy.stack itself, in a folder of its own that is removed afterwards."""

    def __init__(self, cache: Path) -> None:
        self._directory = ROOT / ".local" / f"tests-{secrets.token_hex(4)}"
        self.supervisor = Supervisor(self._directory / "logs", env=os.environ)
        self._cache = cache
        self._kafka: Kafka | None = None
        self._postgres: Postgres | None = None

    async def kafka(self) -> str:
        if self._kafka is None:
            self._kafka = Kafka(self._directory / "kafka", cache=self._cache, brief=True)
            await self._kafka.start(self.supervisor)
        return self._kafka.bootstrap

    async def database(self) -> str:
        if self._postgres is None:
            self._postgres = Postgres(self._directory / "postgres", durable=False)
            await self._postgres.start(self.supervisor)
        return self._postgres.database_url

    async def close(self) -> None:
        await self.supervisor.stop()
        if self._postgres is not None:
            self._postgres.remove()
        shutil.rmtree(self._directory, ignore_errors=True)


class External:
    """Addresses that somebody gave: HUITOU_KAFKA and HUITOU_DATABASE_URL."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def kafka(self) -> str:
        return self._address("HUITOU_KAFKA")

    async def database(self) -> str:
        return self._address("HUITOU_DATABASE_URL")

    async def close(self) -> None:
        """Nothing of it is ours."""

    def _address(self, name: str) -> str:
        if name not in self._environment:
            raise pytest.UsageError(f"{name}: missing, and HUITOU_STACK=external needs it")
        return self._environment[name]


class Containers:
    """Docker's engine through testcontainers; without an engine the tests that need one are skipped, aloud."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._kafka: str | None = None
        self._database: str | None = None

    async def kafka(self) -> str:
        if self._kafka is None:
            self._kafka = await asyncio.to_thread(self._start_kafka)
        return self._kafka

    async def database(self) -> str:
        if self._database is None:
            self._database = await asyncio.to_thread(self._start_database)
        return self._database

    async def close(self) -> None:
        await asyncio.to_thread(self._stack.close)

    def _start_kafka(self) -> str:
        _need_engine()
        from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - costs a second that other kinds need not pay

        image = KafkaContainer("confluentinc/cp-kafka:8.2.0").with_kraft()  # Kafka 4.2
        image = image.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        image = image.with_env("KAFKA_LOG_CLEANER_BACKOFF_MS", "500")
        return str(self._stack.enter_context(image).get_bootstrap_server())

    def _start_database(self) -> str:
        _need_engine()
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415 - as above

        return str(self._stack.enter_context(PostgresContainer("postgres:18")).get_connection_url(driver="asyncpg"))


def _need_engine() -> None:
    address = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    family, target = (
        (socket.AF_UNIX, address.path)
        if address.scheme == "unix"
        else (socket.AF_INET, (address.hostname or "", address.port or 2375))
    )
    with socket.socket(family) as probe:
        try:
            probe.connect(target)
        except OSError as error:
            pytest.skip(
                f"HUITOU_STACK=containers, but no Docker engine answers at {address.geturl()}: {error.strerror}"
            )


class Topic(NamedTuple):
    """A topic for one test."""

    name: str
    partitions: int
    config: dict[str, str]


class Topics:
    """Creates topics that no other test knows."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    async def create(self, stem: str = "topic", *, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """A new topic, ready to be written to; its name starts with `stem`."""
        name = f"{stem}-{secrets.token_hex(4)}"
        await create(self._bootstrap, [Topic(name, partitions, dict(config or {}))])
        return name


async def delete(bootstrap: str, topics: Iterable[Declared]) -> None:
    """Take topics away, with the commits of every group there; one that is not there is no error."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([each.name for each in topics])
    finally:
        await admin.close()


@asynccontextmanager
async def fresh_topics(bootstrap: str, topics: Iterable[Declared]) -> AsyncIterator[None]:
    """The topics empty and as they are declared, whatever was in them; taken away afterwards."""
    wanted = list(topics)
    await delete(bootstrap, wanted)
    await create(bootstrap, wanted)
    try:
        yield
    finally:
        await delete(bootstrap, wanted)


@asynccontextmanager
async def fresh_database(server_url: str) -> AsyncIterator[str]:
    """An empty database on the server, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    await _execute(server_url, f'CREATE DATABASE "{name}"')
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        await _execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
