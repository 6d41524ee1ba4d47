"""Stands between an SDK and ingest: notes what the SDK sends, and can refuse a request or hang up after it was accepted."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, NamedTuple

Fault = Literal["", "503", "cut"]
STRUCK = "track"
"""The call that meets the fault."""
_BUSY = b'{"code":"unavailable","message":"not stored; send the same request again"}'


class Seen(NamedTuple):
    """One POST of the SDK."""

    path: str
    headers: dict[str, str]
    messages: list[dict[str, Any]]
    status: int
    """What ingest or the fault answered."""
    fault: Fault
    """cut: the SDK never heard of the answer."""


class Relay:
    """Passes requests on; the first one that holds the order meets the fault."""

    def __init__(self, target: int, fault: Fault) -> None:
        self._target, self._fault = target, fault
        self.seen: list[Seen] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def messages(self) -> list[dict[str, Any]]:
        """Every message that was sent, repeated ones as often as they were."""
        return [message for request in self.seen for message in request.messages]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                method, path, headers, body = request
                messages = _messages(headers, body) if method == "POST" else []
                fault: Fault = self._fault if any(message.get("type") == STRUCK for message in messages) else ""
                if fault:
                    self._fault = ""
                answer = _refusal(headers) if fault == "503" else await self._passed_on(method, path, headers, body)
                if method == "POST":
                    status = int(answer.split(b" ", 2)[1])
                    self.seen.append(Seen(path, headers, messages, status, fault))
                if fault == "cut":
                    return
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _passed_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        kept = {name: value for name, value in headers.items() if name not in {"connection", "transfer-encoding"}}
        kept |= {"content-length": str(len(body)), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in kept.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        answer = await reader.read()
        writer.close()
        return answer.replace(b"connection: close\r\n", b"", 1)


@asynccontextmanager
async def relay(target: int, fault: Fault = "") -> AsyncIterator[Relay]:
    """A relay to a port of this machine, on a port of its own."""
    passed = Relay(target, fault)
    async with listening(passed.serve) as port:
        passed.port = port
        yield passed


@asynccontextmanager
async def listening(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[int]:
    """A server on a free port; connections that are left over are closed with it."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        try:
            await serve(reader, writer)
        finally:
            open_ones.discard(writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in open_ones:
            writer.close()
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes] | None:
    """Method, path, headers by lower-case name, body; None when the client has hung up."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ")
    fields = [line.partition(":") for line in head[1:] if line]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return method, path, headers, await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return method, path, headers, body


def _messages(headers: dict[str, str], body: bytes) -> list[dict[str, Any]]:
    plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
    said = json.loads(plain)
    return list(said["batch"]) if "batch" in said else [said]


def _refusal(headers: dict[str, str]) -> bytes:
    """As ingest refuses while the broker is away, readable for a page, too."""
    lines = ["HTTP/1.1 503 Service Unavailable", "content-type: application/json", f"content-length: {len(_BUSY)}"]
    lines.append("retry-after: 1")
    if "origin" in headers:
        lines += [f"access-control-allow-origin: {headers['origin']}", "access-control-expose-headers: Retry-After"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + _BUSY
