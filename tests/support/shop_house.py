"""The whole product for the end-to-end tests of a session: started, spoken to over HTTP, waited for, looked at."""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx2
from sqlalchemy.engine import make_url

from deploy.stack.plan import ALL
from deploy.stack.stack import Stack
from services.ingest.hooks.sources import AnySource, change_sources
from services.ingest.identifiers import Identifier, Kind, Pepper, identify
from services.ingest.write_keys import Scope, add_key
from services.trigger_engine.publish import publish_policy
from shared import clock
from shared.kafka.lag import LagReader, by_topic
from tests.oracle.reader import LogRecord
from tests.support.followed import Followed
from tests.support.stack import ROOT, jar_cache

CHAIN = ("profile", "segmenter", "trigger-engine", "notifier", "console")
QUICK = {
    "HUITOU_LEASE_SECONDS": "6",
    "HUITOU_QUIET_SECONDS": "0.5",
    "HUITOU_LONGEST_WAIT_SECONDS": "0.5",
    "HUITOU_ADDRESS_SECONDS": "5",
}
"""A notifier that loses no time over doubts."""


class ShopHouse:
    """`async with ShopHouse(directory) as house`: everything runs in real time, with a policy of three rules in force.

    Tests share it, in any order: each speaks of people of its own, and asks for what happened to them.
    """

    def __init__(self, directory: Path) -> None:
        self.snapshots = directory / "stack" / "snapshots"
        env = QUICK | {"HUITOU_SNAPSHOTS": str(self.snapshots)}
        self.stack = Stack(
            directory=directory / "stack", services=ALL, env=env, cache=jar_cache(), durable=False, brief=True
        )
        self.answers: list[bytes] = []
        """Bodies of all answers."""

    async def __aenter__(self) -> Self:
        await self.stack.__aenter__()
        secrets = self.stack.secrets
        self.erase_key = add_key(secrets.write_keys, "privacy", [Scope.ERASE])
        self.pepper = Pepper.load(secrets.pepper)
        await publish_policy(self.stack.kafka, policy())
        self.topics = Followed(self.stack.kafka)
        self.http, self.console, self._sandbox = (
            httpx2.AsyncClient(base_url=url, timeout=60.0, trust_env=False)
            for url in (self.stack.http_url, self.stack.console_url, self.stack.sandbox_url)
        )
        self._database = await asyncpg.connect(
            make_url(self.stack.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        self.key = secrets.read_write_key()
        await asyncio.sleep(READ_AGAIN)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self.http, self.console, self._sandbox):
            await client.aclose()
        await self.topics.close()
        await self._database.close()
        await self.stack.stop()

    # --- speaking

    async def post(self, path: str, body: Any, *, key: str = "", basic: bool = False) -> httpx2.Response:
        """Sent again while ingest is away."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        if basic:
            headers = {"authorization": "Basic " + base64.b64encode(f"{key or self.key}:".encode()).decode()}
        while True:
            try:
                answer = await self.http.post(path, json=body, headers=headers)
            except httpx2.TransportError:
                await asyncio.sleep(0.2)
                continue
            self.answers.append(answer.content)
            if answer.status_code not in {429, 503}:
                return answer
            await asyncio.sleep(0.2)

    async def tell(self, *events: dict[str, Any]) -> None:
        """Events of the typed API, all accepted."""
        answer = await self.post("/api/v1/events", {"events": list(events)})
        assert answer.status_code == 200, answer.text

    async def add_source(self, source: AnySource) -> None:
        """A source of webhooks, known to ingest."""
        change_sources(self.stack.secrets.hooks, lambda known: [*known, source])
        await asyncio.sleep(READ_AGAIN)

    async def command(self, *arguments: str, stdin: bytes = b"") -> str:
        """`python -m …` with the stack's environment; what it wrote. It must succeed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *arguments),
            cwd=ROOT,
            env=self.stack.environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate(stdin)
        self.answers.append(said)
        assert process.returncode == 0, said.decode()
        return said.decode()

    def id_of(self, kind: Kind, value: str) -> str:
        """The customer id that stands for an identifier."""
        return identify([Identifier(kind, value)], self.pepper).customer_id

    # --- looking

    async def rows(self, query: str, *values: object) -> list[Any]:
        """Of the product's database."""
        return list(await self._database.fetch(query, *values))

    async def topic(self, name: str) -> list[LogRecord]:
        """All its records."""
        return await self.topics.records(name)

    async def accepted(self) -> list[dict[str, Any]]:
        """What the providers took."""
        found: list[dict[str, Any]] = (await self._sandbox.get("/log")).json()
        return found

    async def script(self, channel: str, script: Mapping[str, Any]) -> None:
        """What goes wrong at a provider from now on."""
        (await self._sandbox.post("/faults", json={"channel": channel, "script": dict(script)})).raise_for_status()

    async def until(self, true: Callable[[], Awaitable[bool]], *, within: float = 40.0) -> float:
        """Seconds until it holds; TimeoutError with the end of the logs if it does not."""
        began = clock.monotonic()
        while not await true():
            if clock.monotonic() - began > within:
                raise TimeoutError(f"not within {within} s\n{self.log_tails()}")
            await asyncio.sleep(0.05)
        return clock.monotonic() - began

    async def until_still(self, groups: Sequence[str] = CHAIN, *, within: float = 90.0) -> None:
        """The chain has read all there is, twice in a row, and nothing of the notifier waits for the broker."""
        calm = 0
        async with LagReader(self.stack.kafka) as lag:

            async def still() -> bool:
                nonlocal calm
                behind = sum(
                    sum(topics.values()) for group, topics in by_topic(await lag.read()).items() if group in groups
                )
                waiting = (await self.rows("SELECT count(*) FROM notifier.publication"))[0][0]
                calm = calm + 1 if behind < LIVE_TICKS and not waiting else 0
                await asyncio.sleep(0.2)
                return calm >= STILL

            await self.until(still, within=within)

    def log_tails(self) -> str:
        """The last lines of every service."""
        names = self.stack.supervisor.names
        return "\n".join(f"--- {name}\n{self.stack.supervisor.log(name).read_text()[-600:]}" for name in names)


TILLS = "pos"
"""A source that tells when it has told everything."""
LIVE_TICKS = 150
"""Ticks that may lie unread between two commits of rounds that hold only ticks."""
STILL = 4
READ_AGAIN = 1.2
"""Seconds after which ingest has read its keys and sources again."""


def policy(version: int = 1) -> dict[str, Any]:
    """A service and a marketing message at every order, and a reminder a day after it that waits for the tills."""

    def rule(name: str, purpose: str, channel: str, template: str, **more: Any) -> dict[str, Any]:
        touch = {"message": {"channel": channel, "template": template}}
        return {"id": name, "when": {"on": "ordered"}, "value": 1, "purpose": purpose, "touches": [touch]} | more

    reminder = {"when": {"on": "since_last_order", "days": 1}, "value": 100, "waits_for": [TILLS]}
    return {
        "version": version,
        "behaviour": 4,
        "rules": [
            rule("thanks", "service", "email", "thank-you"),
            rule("come-again", "marketing", "sms", "birthday-sms"),
            rule("remind", "marketing", "sms", "birthday-sms", **reminder),
        ],
    }
