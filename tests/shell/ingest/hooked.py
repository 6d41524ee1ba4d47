"""The application with a hook of each provider in memory, and the golden calls that are posted to it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx2

from services.ingest import declarations_api
from services.ingest.app import create_app
from services.ingest.declarations import Declarations
from services.ingest.gate import Gate
from services.ingest.hooks import api
from services.ingest.hooks.sources import HookSources, change_sources, source_of
from services.ingest.identifiers import Pepper
from services.ingest.intake import Intake
from services.ingest.people import Desk
from services.ingest.seal_memory import SealMemory
from services.ingest.write_keys import Scope, WriteKeys, add_key
from shared.contract.broadcasts import SourceCompleted
from shared.contract.codec import decode_front
from shared.sealing import Keyring
from shared.shop import Shop
from tests.shell.ingest.harness import RecordingPublisher
from tests.support.hooks import GOLDEN, SECRETS, SIGNED_AT, cases, raw_of, read, signature

Case = dict[str, Any]


class Hooked:
    """The application with a source of each provider, and what the publisher got."""

    def __init__(self, folder: Path) -> None:
        self.file, keys = folder / "hooks.json", folder / "keys"
        self.key, self.import_key = add_key(keys, "shop", [Scope.LIVE]), add_key(keys, "files", [Scope.IMPORT])
        providers = {path.parent.name: read(path)["provider"] for path in cases()}
        sources = [source_of(each | {"secrets": [SECRETS[name]]}) for name, each in sorted(providers.items())]
        change_sources(self.file, lambda _: sources)
        self.seconds, self.now_ms = 0.0, SIGNED_AT * 1_000
        self.publisher, self.keyring = RecordingPublisher(), Keyring.create(folder / "keyring")
        memory = SealMemory(lambda: self.seconds)
        desk = Desk(Shop(), Pepper(bytes(range(32))))
        intake = Intake(desk, self.keyring, self.publisher, memory, now_ms=lambda: self.now_ms)
        gate = Gate(WriteKeys.load(keys), lambda: self.seconds)
        declared = Declarations(self.publisher, lambda: self.now_ms)
        sources_now = HookSources(self.file, lambda: self.seconds)
        routes = api.routes(intake, sources_now, declared, now_ms=lambda: self.now_ms)
        app = create_app(intake, gate, more=[routes, declarations_api.routes(declared, gate)])
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://ingest")

    async def post(self, case: Case, *, source: str = "", call: str = "msg_1", **headers: str) -> httpx2.Response:
        provider, raw = case["provider"]["provider"], raw_of(case)
        signed = case["headers"] | signature(provider, raw, SECRETS[provider], case, call) | headers
        return await self.client.post(f"/hooks/{source or provider}", content=raw, headers=signed)

    async def complete(self, body: bytes, key: str = "") -> httpx2.Response:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return await self.client.post("/api/v1/sources/complete", content=body, headers=headers)

    def declared(self) -> list[tuple[int, SourceCompleted]]:
        """(partition, declaration) of every declaration published."""
        front = self.publisher.of("customer-events-v1")
        read = [(record.partition, decode_front(record.value)) for record in front if record.key is None]
        return [(partition, told) for partition, told in read if isinstance(told, SourceCompleted)]

    def opened(self) -> list[bytes]:
        """What stands sealed in the rejected events."""
        found = [json.loads(record.value) for record in self.publisher.of("rejected-events-v1")]
        return [
            self.keyring.open_bytes("rejected-event", each["id"], base64.b64decode(each["sealed"])) for each in found
        ]


def golden(name: str) -> Case:
    return read(GOLDEN / f"{name}.json")
