"""A plain HTTP/1.1 client that costs little beside what it measures: kept connections, POST, JSON answers; nothing more."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

from shared import clock

PATH = "/api/v1/events"


class RefusedError(RuntimeError):
    """Ingest did not take every event of a request."""


class _Answer(msgspec.Struct):
    accepted: int = 0
    rejected: int = 0


class Answered(msgspec.Struct, frozen=True):
    """A schedule that was kept: its start (monotonic seconds), and seconds from each request's due instant to its answer."""

    start: float
    took: list[float]


class Connection:
    """One kept connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        self._reader, self._writer, self._head = reader, writer, head

    async def post(self, body: bytes) -> None:
        """Return when ingest has answered that all events are accepted; RefusedError otherwise."""
        self._writer.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        try:
            status, answer = await self._answer()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise RefusedError(f"ingest hung up: {error!r}") from None
        if not status.startswith(b"HTTP/1.1 200 ") or msgspec.json.decode(answer, type=_Answer).rejected:
            raise RefusedError(f"ingest: {status!r} {answer[:300]!r}")

    async def _answer(self) -> tuple[bytes, bytes]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *fields = head.lower().split(b"\r\n")
        length = next((int(field.partition(b":")[2]) for field in fields if field.startswith(b"content-length:")), 0)
        return status.upper(), await self._reader.readexactly(length)

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


class Client:
    """`count` connections to ingest, open while something is sent: an idle one is hung up by the server after seconds."""

    def __init__(self, url: str, key: str, count: int, *, path: str = PATH) -> None:
        """`path`: the typed API's, or one of Segment's, whose SDKs show the key as the user of Basic."""
        place = urlsplit(url)
        self._host, self._port, self._count = place.hostname or "", place.port or 80, count
        shown = f"Bearer {key}" if path == PATH else f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"
        fields = (f"POST {path} HTTP/1.1", f"Host: {place.netloc}", f"Authorization: {shown}")
        self._head = "\r\n".join((*fields, "Content-Type: application/json", "Content-Length: ")).encode()

    async def post_all(self, bodies: Sequence[bytes], each: Callable[[int], Awaitable[None]] | None = None) -> None:
        """All bodies as fast as they are taken, the next on a connection after the answer; `each` hears how many are done."""
        waiting, done = iter(bodies), 0

        async def work(connection: Connection) -> None:
            nonlocal done
            for body in waiting:
                await connection.post(body)
                done += 1
                if each is not None:
                    await each(done)

        async with self._open() as connections:
            await _all(work(connection) for connection in connections)

    async def post_on_schedule(self, bodies: Sequence[bytes], *, every: float) -> Answered:
        """Body k at start + k × `every` seconds, whatever became of those before.

        A request that finds every connection busy waits, and its wait counts.
        """
        waiting, took = iter(enumerate(bodies)), [0.0] * len(bodies)

        async def work(connection: Connection) -> None:
            for number, body in waiting:
                due = start + number * every
                await asyncio.sleep(max(0.0, due - clock.monotonic()))
                await connection.post(body)
                took[number] = clock.monotonic() - due

        async with self._open() as connections:
            start = clock.monotonic() + every
            await _all(work(connection) for connection in connections)
        return Answered(start, took)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[list[Connection]]:
        opened: list[Connection] = []
        try:
            for _ in range(self._count):
                opened.append(Connection(*await asyncio.open_connection(self._host, self._port), self._head))  # noqa: PERF401 - what is open must be known when the next fails
            yield opened
        finally:
            await asyncio.gather(*(one.close() for one in opened), return_exceptions=True)


async def _all(works: Iterable[Coroutine[None, None, None]]) -> None:
    """All to their end; the first that fails ends the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
