"""One life of the notifier: its own code between a real database, the sandbox and a log, dead and alive again at one point."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.sandbox.server import Running, serving
from deploy.sandbox.settings import SandboxSettings
from deploy.stack.keys import SandboxAccounts, Secrets, ensure
from services.notifier.app import serve
from services.notifier.bell import Bell
from services.notifier.channels.contract import Channel, ChannelName
from services.notifier.channels.templates import TemplateBook
from services.notifier.contacts import Writer
from services.notifier.guards import ALL_ON, Guard
from services.notifier.providers import Providers, open_channels, read_providers
from services.notifier.publisher import Publisher
from services.notifier.settings import NotifierSettings
from shared import clock
from shared.contract.commands import SendMessage
from shared.contract.topics import CONTACT_POINTS, OUTREACH_COMMANDS, PROVIDER_RECEIPTS
from shared.private_files import read_private
from shared.sealing import Keyring

from .inputs import last_words, write_log
from .points import CrashError, Point, Points
from .ports import LogConsumer, LogProducer, WatchedChannel, WatchedStore
from .wire import Wire
from .world import World

PATIENCE_S = 60.0
"""A life that has come to no end by then never will."""
GRACE_S = 0.05
"""Between a crash and the next start: providers finish what has reached them."""
IDLE_S, POLL_S = 0.05, 0.02
_TABLES = (
    "outbox, send_ledger, send_attempt, kill_switch, suppression, cancellation, contact_point, contact_gone,"
    " stream_position, receipt, publication"
)
_LATER = "UPDATE notifier.outbox SET not_before = 0 WHERE state IN ('pending', 'unknown', 'awaiting_staff')"
_REST = """
SELECT (SELECT count(*) FROM notifier.outbox WHERE state = 'sending') AS sending,
       (SELECT count(*) FROM notifier.outbox WHERE state IN ('pending', 'unknown', 'awaiting_staff')
           AND not_before <= extract(epoch FROM now()) * 1000) AS due,
       (SELECT count(*) FROM notifier.outbox WHERE state IN ('pending', 'unknown')) AS undecided,
       (SELECT count(*) FROM notifier.outbox WHERE state = 'awaiting_staff') AS awaiting,
       (SELECT count(*) FROM notifier.receipt WHERE NOT applied) AS receipts,
       (SELECT count(*) FROM notifier.publication) AS publications,
       (SELECT coalesce(sum(next_offset), 0) FROM notifier.stream_position) AS read
"""


class Sent(msgspec.Struct, frozen=True):
    """What is left when everything has come to rest."""

    points: Points
    world: World
    commands: tuple[SendMessage, ...]
    states: dict[str, str]
    """Command id → state in the outbox."""
    ledger: Counter[str]
    accepted: Counter[str]
    """Command id → messages that the sandbox took."""
    stuck: str = ""
    """What was still open when patience ran out."""


class Post:
    """Database, keys and sandbox for many lives, one after the other."""

    def __init__(self, directory: Path, database_url: str, connection: asyncpg.Connection) -> None:
        self.directory, self.database_url, self.connection = directory, database_url, connection
        self.secrets: Secrets = ensure(directory)
        self.keyring = Keyring.load(self.secrets.keyring)
        self.providers: Providers = read_providers(self.secrets.providers)
        self.lives = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, database_url: str) -> AsyncIterator[Post]:
        """`database_url` names a database with the newest schema."""
        plain = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(plain)
        try:
            yield cls(directory, database_url, connection)
        finally:
            await connection.close()

    @asynccontextmanager
    async def sandbox(self) -> AsyncIterator[Running]:
        """A sandbox that confirms nothing by itself."""
        accounts = msgspec.json.decode(read_private(self.secrets.sandbox), type=SandboxAccounts)
        self.lives += 1
        settings = SandboxSettings(
            http_port=0,
            smtp_port=0,
            log_path=self.directory / f"accepted-{self.lives}.jsonl",
            **msgspec.structs.asdict(accounts),
        )
        async with serving(settings, clock.now_ms) as running:
            yield running

    async def live(
        self, commands: Sequence[SendMessage], crash_at: frozenset[Point] = frozenset(), *, naive: bool = False
    ) -> Sent:
        """Send these commands in an empty world, with these crashes, until nothing moves any more."""
        await self.connection.execute(f"TRUNCATE notifier.{_TABLES.replace(', ', ', notifier.')}")
        await self.connection.execute("UPDATE notifier.logical_clock SET now_ms = 0")
        async with self.sandbox() as sandbox:
            return await _Life(self, sandbox, tuple(commands), crash_at, naive=naive).run()


class _Life:
    def __init__(
        self,
        post: Post,
        sandbox: Running,
        commands: tuple[SendMessage, ...],
        crash_at: frozenset[Point],
        *,
        naive: bool,
    ) -> None:
        self._post, self._sandbox, self._commands, self._naive = post, sandbox, commands, naive
        self._points = Points(crash_at)
        self._world = World(self._points)
        self._wire = Wire(self._dies)
        self._dead = asyncio.Event()
        self._receipts = False

    async def run(self) -> Sent:
        write_log(self._world, self._commands, self._post.keyring)
        stuck = ""
        async with (
            self._wire.to(self._sandbox.http_port) as http_port,
            self._wire.to(self._sandbox.smtp_port, mail=True) as smtp_port,
        ):
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while not await self._start(http_port, smtp_port):
                        await self._bury()
            except TimeoutError:
                stuck = str(dict(await self._at_rest()))
        return await self._left(stuck)

    # --- the process

    async def _start(self, http_port: int, smtp_port: int) -> bool:
        """A new process until everything is at rest: True; or until it dies: False."""
        self._dead.clear()
        post, bell = self._post, Bell()
        settings = self._settings(http_port, smtp_port)
        engine = create_async_engine(post.database_url, pool_size=12, max_overflow=0, hide_parameters=True)
        store = WatchedStore(engine, self._reach)
        opened = open_channels(post.providers, settings.reach())
        channels: dict[ChannelName, Channel] = {
            name: WatchedChannel(name, channel, self._reach) for name, channel in opened.items()
        }
        process = asyncio.create_task(
            serve(
                settings,
                bell,
                store,
                consumer=LogConsumer(self._world, self._reach),
                channels=channels,
                writer=Writer(post.keyring, TemplateBook(settings.sources(), post.providers.templates())),
                publisher=Publisher(store, LogProducer(self._world, self._reach)),
                keyring=post.keyring,
                idle_s=IDLE_S,
                off=frozenset({Guard.DOUBT}) if self._naive else ALL_ON,
            )
        )
        watching = [asyncio.create_task(self._dead.wait()), asyncio.create_task(self._settle(bell))]
        try:
            await asyncio.wait([process, *watching], return_when=asyncio.FIRST_COMPLETED)
            if watching[1].done():
                await process
            return watching[1].done() and not self._dead.is_set()
        except BaseExceptionGroup as died:
            if died.split(CrashError)[1] is not None:
                raise
            return False
        finally:
            for task in (process, *watching):
                task.cancel()
            await self._wire.cut()
            await asyncio.gather(process, *watching, return_exceptions=True)
            for channel in channels.values():
                await channel.close()
            await engine.dispose()

    def _settings(self, http_port: int, smtp_port: int) -> NotifierSettings:
        return NotifierSettings(
            kafka="none",
            database_url=self._post.database_url,
            keyring=self._post.secrets.keyring,
            providers_file=self._post.secrets.providers,
            sandbox_url=f"http://127.0.0.1:{http_port}",
            smtp_host="127.0.0.1",
            smtp_port=smtp_port,
            scenario=True,
            workers=1,
            batch=1,
            staff_poll_seconds=600,
        )

    def _dies(self, kind: str) -> bool:
        if not self._dead.is_set() and self._points.dies(kind):
            self._dead.set()
        return self._dead.is_set()

    def _reach(self, kind: str) -> None:
        if self._dies(kind):
            raise CrashError(kind)

    # --- the world around it

    async def _bury(self) -> None:
        """Time passes while nobody lives: leases run out."""
        await asyncio.sleep(GRACE_S)
        await self._post.connection.execute("UPDATE notifier.outbox SET lease_until = 0 WHERE state = 'sending'")

    async def _settle(self, bell: Bell) -> None:
        """Let hours pass and providers have their last word whenever nothing moves; stop when nothing is left to happen."""
        while True:
            now = await self._at_rest()
            read = sum(len(self._world.log(*place)) for place in self._read_places())
            if now["read"] < read or now["sending"] or now["due"] or now["receipts"] or now["publications"]:
                await asyncio.sleep(POLL_S)
            elif now["undecided"] or (now["awaiting"] and self._receipts):
                await self._pass_time()
            elif not self._receipts:
                self._receipts = True
                last_words(self._world, self._sandbox.sandbox)
                await self._pass_time()
            else:
                break
        bell.stop()

    def _read_places(self) -> list[tuple[str, int]]:
        read = {CONTACT_POINTS.name, OUTREACH_COMMANDS.name, PROVIDER_RECEIPTS.name}
        return [place for place in self._world.logs if place[0] in read]

    async def _pass_time(self) -> None:
        await self._post.connection.execute(_LATER)

    async def _at_rest(self) -> Any:
        return await self._post.connection.fetchrow(_REST)

    async def _left(self, stuck: str) -> Sent:
        rows = await self._post.connection.fetch("SELECT command_id, state FROM notifier.outbox")
        entered = await self._post.connection.fetch("SELECT command_id FROM notifier.send_ledger")
        return Sent(
            points=self._points,
            world=self._world,
            commands=self._commands,
            states={row["command_id"]: row["state"] for row in rows},
            ledger=Counter(row["command_id"] for row in entered),
            accepted=Counter(message.command_id for message in self._sandbox.sandbox.log.accepted),
            stuck=stuck,
        )
