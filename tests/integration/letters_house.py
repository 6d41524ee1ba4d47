"""Letters in a real database, behind the pages, the API and the command of the console."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.migrate import upgrade
from services.console.app import create_app
from services.console.letter_desk import Desk, Refusal, UnsentError
from services.console.letters_api import Letters
from services.console.records import read_batch
from services.console.store import Store, connect
from shared.contract.codec import encode
from shared.contract.dead_letters import SEALED_AS, DeadLetter, sealed_field
from shared.contract.facts import OrderPlaced
from shared.contract.rejected_events import RejectedEvent
from shared.contract.topics import CUSTOMER_EVENTS, DEAD_LETTERS, REJECTED_EVENTS
from shared.engine.fold.batch import Emit
from shared.sealing import Keyring
from shared.shop import Shop
from tests.support.console import FixedBoard, FixedReadings, empty_reading
from tests.support.stack import fresh_database

HOSTILE = "<script>alert(1)</script>\"'\x1b[31m\x07\u202e[bold]{{7*7}}\r\n"
WHEN = 1_764_000_000_000
ORDER = encode(OrderPlaced(id="e1", at=WHEN, order_id="o1", amount=7, currency="CNY"))


class Told(msgspec.Struct):
    """A record as the projector reads it."""

    topic: str
    offset: int
    value: bytes
    key: bytes | None = b"ann"
    partition: int = 0
    timestamp: int = WHEN


class Recorder:
    """Takes replays; may refuse or fail."""

    def __init__(self) -> None:
        self.put_back: list[Emit] = []
        self.events: list[dict[str, Any]] = []
        self.as_history: list[bool] = []
        self.fails_after = 10**9
        self.refusal: Refusal | None = None

    async def put(self, record: Emit) -> tuple[int, int]:
        await asyncio.sleep(0.02)
        if len(self.put_back) >= self.fails_after:
            raise UnsentError("the broker did not take it")
        self.put_back.append(record)
        return record.partition, len(self.put_back)

    async def resend(self, event: dict[str, Any], *, history: bool) -> Refusal | None:
        self.events.append(event)
        self.as_history.append(history)
        return self.refusal


class House:
    """A database with the console's tables, a keyring, a desk and the web application."""

    def __init__(self, engine: AsyncEngine, url: str, keyring: Path, file: Path) -> None:
        self.engine, self.url, self.keyring_file, self.file = engine, url, keyring, file
        self.keyring, self.sender, self.store = Keyring.load(keyring), Recorder(), Store(engine)
        self.desk = Desk(engine, self.keyring, self.sender, now_ms=lambda: WHEN + 1_000)
        self._next = 0

    def client(self, *, file: Path | None = None, desk: Desk | None = None) -> httpx2.AsyncClient:
        letters = Letters(self.engine, desk or self.desk, file)
        app = create_app(FixedReadings(empty_reading()), FixedBoard(), Shop(), letters=letters)
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1:8081")

    async def take(self, *records: Told) -> None:
        await self.store.take(lambda known: read_batch(records, known, scenario=False))

    async def bury(self, *contents: bytes, reason: str = "ValueError: no", key: bytes = b"ann") -> None:
        """Dead letters of profile, one after the other."""
        for content in contents:
            self._next += 1
            place = sealed_field(CUSTOMER_EVENTS.name, 0, self._next)
            letter = DeadLetter(
                service="profile",
                topic=CUSTOMER_EVENTS.name,
                partition=0,
                offset=self._next,
                customer=key.decode(),
                reason=reason,
                arrived=WHEN,
                sealed=base64.b64encode(self.keyring.seal_bytes(SEALED_AS, place, content)).decode(),
            )
            await self.take(Told(DEAD_LETTERS.name, self._next, encode(letter), key, timestamp=WHEN + self._next))

    async def refuse(
        self, event: dict[str, Any], *, offset: int, at: int = WHEN, path: str = "$.total", history: bool = False
    ) -> None:
        sealed = base64.b64encode(self.keyring.seal_bytes("rejected-event", "r1", encode(event))).decode()
        told = RejectedEvent(
            id="r1",
            source="shop",
            path=path,
            reason="must be a number",
            sealed=sealed,
            received_at=at,
            history=history,
        )
        await self.take(Told(REJECTED_EVENTS.name, offset, encode(told), b"shop", timestamp=at))

    async def found(self, **wanted: Any) -> dict[str, Any]:
        async with self.client() as client:
            answer = await client.get("/api/v1/letters", params=wanted)
            answer.raise_for_status()
            body: dict[str, Any] = answer.json()
            return body

    async def only(self, **wanted: Any) -> str:
        (letter,) = (await self.found(**wanted))["letters"]
        return str(letter["id"])

    async def actions(self) -> list[str]:
        async with self.engine.connect() as connection:
            rows = await connection.scalars(sa.text("SELECT action FROM audit.letter_action ORDER BY number"))
            return list(rows)


@pytest_asyncio.fixture(loop_scope="session")
async def house(database_server: str, tmp_path: Path) -> AsyncIterator[House]:
    async with fresh_database(database_server) as url:
        await upgrade(url)
        engine = connect(url, connections=6)
        Keyring.create(tmp_path / "keyring.json")
        yield House(engine, url, tmp_path / "keyring.json", tmp_path / "operators.json")
        await engine.dispose()


# --- the read model
