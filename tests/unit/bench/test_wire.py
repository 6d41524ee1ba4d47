"""Open loop: a slow answer delays nobody's due instant, and its wait is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.bench.wire import Client, RefusedError

ACCEPTED = b'{"accepted":1,"rejected":0,"results":[]}'


@asynccontextmanager
async def _server(
    answer: Callable[[int], tuple[float, bytes, bytes]],
) -> AsyncIterator[tuple[str, list[tuple[bytes, bytes]]]]:
    """A server whose n-th answer is (seconds of delay, status line, body); the requests it read stand beside its address."""
    seen: list[tuple[bytes, bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _until_blank(reader):
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            seen.append((head, await reader.readexactly(length)))
            delay, status, body = answer(len(seen) - 1)
            await asyncio.sleep(delay)
            writer.write(b"%b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


async def _until_blank(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def test_all_bodies_arrive_once_with_the_key() -> None:
    bodies, done = [b'{"n":%d}' % number for number in range(7)], []

    async def each(count: int) -> None:
        done.append(count)

    async with _server(lambda _: (0.0, b"HTTP/1.1 200 OK", ACCEPTED)) as (url, seen):
        await Client(url, "a-key", 3).post_all(bodies, each)

    assert sorted(body for _, body in seen) == bodies
    assert all(b"Authorization: Bearer a-key\r\n" in head for head, _ in seen)
    assert sorted(done) == list(range(1, 8))


async def test_a_request_that_waits_for_a_connection_is_late_from_its_due_instant_on() -> None:
    def slow_first(number: int) -> tuple[float, bytes, bytes]:
        return (0.3 if number == 0 else 0.0), b"HTTP/1.1 200 OK", ACCEPTED

    async with _server(slow_first) as (url, _):
        answered = await Client(url, "a-key", 1).post_on_schedule([b"{}"] * 3, every=0.05)

    assert answered.took[0] >= 0.29
    assert answered.took[1] >= 0.24
    assert answered.took[2] >= 0.19


async def test_requests_go_at_their_instants_and_not_before() -> None:
    loop = asyncio.get_running_loop()
    arrived: list[float] = []

    def note(_: int) -> tuple[float, bytes, bytes]:
        arrived.append(loop.time())
        return 0.0, b"HTTP/1.1 200 OK", ACCEPTED

    async with _server(note) as (url, _):
        answered = await Client(url, "a-key", 2).post_on_schedule([b"{}"] * 4, every=0.05)

    early = [at - (answered.start + 0.05 * number) for number, at in enumerate(arrived)]
    assert min(early) > -0.005
    assert all(took >= 0 for took in answered.took)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (b"HTTP/1.1 207 Multi-Status", b'{"accepted":1,"rejected":1}'),
        (b"HTTP/1.1 200 OK", b'{"accepted":1,"rejected":1}'),
        (b"HTTP/1.1 503 Service Unavailable", b"{}"),
    ],
)
async def test_a_refused_event_ends_the_measurement(status: bytes, body: bytes) -> None:
    async with _server(lambda _: (0.0, status, body)) as (url, _):
        with pytest.raises(RefusedError, match="ingest"):
            await Client(url, "a-key", 2).post_all([b"{}"] * 4)


async def test_a_server_that_hangs_up_ends_the_measurement() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(RefusedError, match="hung up"):
            await Client(url, "a-key", 1).post_all([b"{}"])


async def test_segment_s_routes_are_shown_the_key_as_its_sdks_show_it() -> None:
    async with _server(lambda _: (0.0, b"HTTP/1.1 200 OK", b'{"success":true}')) as (url, seen):
        await Client(url, "a-key", 1, path="/v1/batch").post_all([b"{}"])

    assert seen[0][0].startswith(b"POST /v1/batch HTTP/1.1\r\n")
    assert b"Authorization: Basic YS1rZXk6\r\n" in seen[0][0]
