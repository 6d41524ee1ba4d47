"""An ingest process of its own with fresh secrets, to be attacked. Knows settings and files; sends nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import msgspec

from deploy.stack import ports
from services.ingest.identifiers import Pepper
from services.ingest.write_keys import Scope, add_key
from shared.sealing import Keyring
from shared.shop import Shop
from tests.hostile.corpus import EXPONENTS

READY_SECONDS: Final = 60.0


class Target(NamedTuple):
    """A running process."""

    pid: int
    port: int
    key: str
    source: str
    log: Path

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def target(folder: Path, kafka: str, currency: str) -> AsyncIterator[Target]:
    """A process whose shop has this currency; its source is `hostile-` and it in small letters. Stopped, and known to be, at the end."""
    source = f"hostile-{currency.lower()}"
    key = _furnished(folder, source, currency)
    (port,) = ports.free(1)
    told = {
        "HUITOU_KAFKA": kafka,
        "HUITOU_KEYRING": str(folder / "keyring"),
        "HUITOU_PEPPER_FILE": str(folder / "pepper"),
        "HUITOU_WRITE_KEYS_FILE": str(folder / "keys"),
        "HUITOU_SHOP_FILE": str(folder / "shop.json"),
        "HUITOU_HTTP_PORT": str(port),
    }
    log = folder / "ingest.log"
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.ingest", "http", env={**os.environ, **told}, stdout=out, stderr=out
        )
    try:
        await _ready(port)
        yield Target(process.pid, port, key, source, log)
        if process.returncode is not None:
            raise RuntimeError(f"ingest ended by itself with {process.returncode}; see {log}")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def _furnished(folder: Path, source: str, currency: str) -> str:
    """The files that the process needs; returns the write key."""
    folder.mkdir(parents=True, exist_ok=True)
    Pepper.create(folder / "pepper")
    Keyring.create(folder / "keyring")
    shop = Shop(currency=currency, exponent=EXPONENTS[currency])
    (folder / "shop.json").write_bytes(msgspec.json.encode(shop))
    return add_key(folder / "keys", source, [Scope.LIVE])


async def _ready(port: int) -> None:
    async with asyncio.timeout(READY_SECONDS), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while True:
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.1)
