"""Runs one SDK in a process of its own, or in a page, with the calls of a shop. Knows how each is started; judges nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.sdks import environment
from tests.sdks.relay import listening

WITHIN = 60.0
TYPES = {".html": "text/html", ".js": "text/javascript"}
Calls = Mapping[str, Any]
Run = Callable[[Calls], Awaitable[dict[str, Any]]]


async def python(calls: Calls) -> dict[str, Any]:
    """Segment's Python SDK."""
    return await _process(calls, {}, str(await environment.python()), str(environment.CLIENTS / "segment_python.py"))


async def segment_node(calls: Calls) -> dict[str, Any]:
    """Segment's Node SDK."""
    return await _node(calls, "segment_node.cjs")


async def rudder_node(calls: Calls) -> dict[str, Any]:
    """RudderStack's Node SDK."""
    return await _node(calls, "rudder_node.cjs")


async def page(calls: Calls) -> dict[str, Any]:
    """Segment's browser SDK in a page of this machine, in a headless Chromium."""
    node = await environment.node()
    chromium = await asyncio.to_thread(environment.browser, node.modules)
    sdk = node.modules / "@segment" / "analytics-next" / "dist" / "umd"
    done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path, _ = head.split("\r\n")[0].split(" ")
        if method == "POST":
            length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
            if not done.done():
                done.set_result(json.loads(await reader.readexactly(length)))
            body, kind = b"{}", "application/json"
        else:
            body, kind = _file(path, calls, sdk)
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n".encode())
        writer.write(b"connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    profile = Path(tempfile.mkdtemp(prefix="huitou-chromium-"))
    try:
        async with listening(serve) as port, _open(chromium, profile, f"http://localhost:{port}/"):
            result = await asyncio.wait_for(done, WITHIN)
            await asyncio.sleep(float(calls["linger"]))
            return result
    finally:
        shutil.rmtree(profile, ignore_errors=True)


class _open:  # noqa: N801 - reads as a verb where it is used
    """A browser with one page, as long as it is entered."""

    def __init__(self, chromium: environment.Browser, profile: Path, url: str) -> None:
        self._chromium, self._profile, self._url = chromium, profile, url

    async def __aenter__(self) -> None:
        env = dict(os.environ) | {"HOME": str(self._profile)}
        if self._chromium.libraries is not None:
            home = self._chromium.program.parent
            env["LD_LIBRARY_PATH"] = f"{self._chromium.libraries}:{home}"
            env["FONTCONFIG_PATH"] = str(home / "fonts")
        command = (*environment.FLAGS, f"--user-data-dir={self._profile}", self._url)
        self._process = await asyncio.create_subprocess_exec(
            str(self._chromium.program), *command, env=env, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            os.killpg(self._process.pid, 9)
        await self._process.wait()


def _file(path: str, calls: Calls, sdk: Path) -> tuple[bytes, str]:
    if path == "/calls":
        return json.dumps(dict(calls)).encode(), "application/json"
    file = sdk / Path(path).name if path.startswith("/sdk/") else environment.CLIENTS / "page.html"
    return (file.read_bytes() if file.exists() else b""), TYPES.get(file.suffix, "text/plain")


async def _node(calls: Calls, script: str) -> dict[str, Any]:
    found = await environment.node()
    env = {"NODE_PATH": str(found.modules)}
    return await _process(calls, env, str(found.program), str(environment.CLIENTS / script))


async def _process(calls: Calls, env: Mapping[str, str], *command: str) -> dict[str, Any]:
    told = dict(os.environ) | dict(env) | {"SDK_CALLS": json.dumps(dict(calls))}
    process = await asyncio.create_subprocess_exec(*command, env=told, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
    try:
        out, err = await asyncio.wait_for(process.communicate(), WITHIN)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise AssertionError(err.decode(errors="replace")[-2_000:])
    said: dict[str, Any] = json.loads(out)
    return said
