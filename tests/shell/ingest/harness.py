"""The HTTP application in memory, with a recording publisher that can refuse or hang."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path

import httpx2

from services.ingest import declarations_api, unsubscribe_api
from services.ingest.api import Terms
from services.ingest.app import STANDARD, create_app
from services.ingest.declarations import Declarations
from services.ingest.gate import Gate
from services.ingest.identifiers import Pepper
from services.ingest.identity_api import identity_routes
from services.ingest.imports.limits import Limits
from services.ingest.imports.routes import import_routes
from services.ingest.intake import Intake
from services.ingest.link_memory import LinkMemory
from services.ingest.people import Desk
from services.ingest.publisher import BrokerAwayError
from services.ingest.rate import Limit
from services.ingest.seal_memory import SealMemory
from services.ingest.write_keys import Scope, WriteKeys, add_key
from shared.contract.codec import decode_front
from shared.contract.facts import Fact
from shared.engine.fold.batch import Emit
from shared.kafka.broadcast import Broadcast
from shared.sealing import Keyring
from shared.shop import Shop

NOW = 1_760_000_000_000
LIMIT = Limit(per_second=1_000, burst=10_000)


class RecordingPublisher:
    """Keeps what it was handed, refuses while `away`, waits while `held` is not set."""

    def __init__(self) -> None:
        self.records: list[Emit] = []
        self.away = False
        self.held = asyncio.Event()
        self.held.set()

    async def publish(self, records: Sequence[Emit]) -> None:
        await self.held.wait()
        if self.away:
            raise BrokerAwayError("away")
        self.records.extend(records)

    async def broadcast(self, record: Broadcast) -> None:
        await self.held.wait()
        if self.away:
            raise BrokerAwayError("away")
        await record.over(self)

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> asyncio.Future[None]:
        assert value is not None
        assert partition is not None
        self.records.append(Emit(topic, partition, None, value, headers or ()))
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged

    async def ready(self) -> bool:
        return not self.away

    def of(self, topic: str) -> list[Emit]:
        return [record for record in self.records if record.topic == topic]

    def facts(self) -> list[Fact]:
        found = [decode_front(record.value) for record in self.of("customer-events-v1")]
        return [fact for fact in found if isinstance(fact, Fact)]


class FakeBrake:
    """Pulled while `on`."""

    def __init__(self) -> None:
        self.on = False

    async def pulled(self) -> bool:
        return self.on

    async def close(self) -> None:
        self.on = False


class Shopfront:
    """A client, its keys, and what the publisher got."""

    def __init__(
        self,
        folder: Path,
        *,
        terms: Terms = STANDARD,
        scenario: bool = False,
        imports: Path | None = None,
        limits: Limits | None = None,
        unsubscribe_key: bytes = b"",
    ) -> None:
        folder.mkdir(exist_ok=True)
        keys = folder / "keys"
        self.key = add_key(keys, "shop", [Scope.LIVE])
        self.identity_key = add_key(keys, "desk", [Scope.IDENTITY])
        self.import_key = add_key(keys, "files", [Scope.IMPORT])
        self.keyring = Keyring.create(folder / "keyring")
        self.publisher = RecordingPublisher()
        self.seconds = 0.0
        desk = Desk(Shop(), Pepper(bytes(range(32))))
        memory = SealMemory(lambda: self.seconds)
        intake = Intake(
            desk,
            self.keyring,
            self.publisher,
            memory,
            now_ms=lambda: NOW + int(self.seconds * 1_000),
            links=LinkMemory(lambda: self.seconds),
        )
        self.brake = FakeBrake()
        gate = Gate(WriteKeys.load(keys), lambda: self.seconds, LIMIT)
        self.gate = gate
        more = [declarations_api.routes(Declarations(self.publisher, lambda: NOW), gate)]
        more += [identity_routes(desk.pepper, self.publisher, gate)]
        more += [] if imports is None else [import_routes(imports, gate, lambda: NOW, limits)]
        more += [unsubscribe_api.routes(intake, unsubscribe_key)] if unsubscribe_key else []
        self.app = create_app(intake, gate, terms=terms, brake=None if scenario else self.brake, more=more)
        transport = httpx2.ASGITransport(self.app)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://ingest")
        self.keys_file = keys

    @property
    def basic(self) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(f"{self.key}:".encode()).decode()}

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    async def segment(self, body: bytes, path: str = "/v1/batch", **headers: str) -> httpx2.Response:
        return await self.client.post(path, content=body, headers=self.basic | headers)

    async def typed(self, body: bytes, **headers: str) -> httpx2.Response:
        return await self.client.post("/api/v1/events", content=body, headers=self.bearer | headers)
