"""A Prometheus server for one test: started on the targets of a stack, asked over its HTTP API."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from deploy.stack import ports

WITHIN_SECONDS = 40.0
CONFIGURATION = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: huitou
    file_sd_configs: [{{files: ["{targets}"]}}]
"""


def installed() -> Path | None:
    """The program, if there is one."""
    found = shutil.which("prometheus")
    return None if found is None else Path(found)


class Prometheus:
    """A running server."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, **parameters: str) -> Any:
        """`data` of an answer of /api/v1."""
        answer = await self._client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def value(self, query: str) -> float | None:
        """Of an instant query that answers one number; None while it answers nothing."""
        found = (await self.get("query", query=query))["result"]
        return float(found[0]["value"][1]) if found else None

    async def until(self, query: str, value: float) -> None:
        """TimeoutError if the query does not answer this number in time."""
        async with asyncio.timeout(WITHIN_SECONDS):
            while await self.value(query) != value:
                await asyncio.sleep(0.2)

    async def ready(self) -> bool:
        """Whether it answers queries."""
        try:
            return (await self._client.get("/-/ready")).status_code == 200
        except httpx2.HTTPError:
            return False


@asynccontextmanager
async def serving(program: Path, folder: Path, targets: Path) -> AsyncIterator[Prometheus]:
    """A server that scrapes `targets` (file_sd) every second and keeps its data in `folder`."""
    configuration, [port] = _configured(folder, targets), ports.free(1)
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={ports.HOST}:{port}",
            stdout=log,
            stderr=STDOUT,
        )
    address = f"http://{ports.HOST}:{port}"
    try:
        async with httpx2.AsyncClient(base_url=address, trust_env=False, timeout=10.0) as client:
            server = Prometheus(client)
            async with asyncio.timeout(WITHIN_SECONDS):
                while not await server.ready():
                    assert process.returncode is None, (folder / "log").read_text(encoding="utf-8")
                    await asyncio.sleep(0.1)
            yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _configured(folder: Path, targets: Path) -> Path:
    folder.mkdir()
    file = folder / "prometheus.yml"
    file.write_text(CONFIGURATION.format(targets=targets), encoding="utf-8")
    return file
