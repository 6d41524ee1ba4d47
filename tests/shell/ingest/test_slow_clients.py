"""Clients that dawdle lose their connection in time, on a real server; nobody else notices them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
import uvicorn

from deploy.stack import ports
from services.ingest.api import Terms
from services.ingest.bodies import PART
from services.ingest.protocol import LARGEST_HEAD, patient
from tests.shell.ingest.harness import Shopfront

HEAD, BODY, CUT = 0.4, 0.4, 0.9
LATE = 0.6
"""What a busy machine may add."""
MESSAGE = {"type": "track", "event": "X", "userId": "m1", "messageId": "e1", "timestamp": "2025-06-30T09:21:33Z"}
GOOD = json.dumps(MESSAGE).encode()


class Served:
    """A shopfront behind a real uvicorn."""

    def __init__(self, shop: Shopfront, port: int) -> None:
        self.shop, self.port = shop, port

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def head(self, length: int, path: str = "/v1/t", *, bearer: str = "") -> bytes:
        lines = (f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}")
        authorization = f"Bearer {bearer}" if bearer else self.shop.basic["authorization"]
        return "\r\n".join((*lines, f"Authorization: {authorization}", "", "")).encode()


@asynccontextmanager
async def served(folder: Path, *, at_once: int = 100, head: float = HEAD) -> AsyncIterator[Served]:
    (port,) = ports.free(1)
    shop = Shopfront(folder, terms=Terms(body_seconds=BODY), imports=folder / "imports")
    config = uvicorn.Config(
        shop.app,
        host="127.0.0.1",
        port=port,
        http=patient(head, CUT),
        ws="none",
        log_config=None,
        limit_concurrency=at_once,
        timeout_keep_alive=1,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Served(shop, port)
    finally:
        server.should_exit = True
        await running


async def cut_after(reader: asyncio.StreamReader) -> float:
    """Seconds until the server hung up."""
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(10):
        with suppress(ConnectionError):
            await reader.read()
    return asyncio.get_running_loop().time() - began


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    """One byte at a time, for ever or until the server has had enough."""
    with suppress(ConnectionError):
        for place in range(len(data)):
            writer.write(data[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("sent", [b"", b"POST /v1/t HT", b"POST /v1/t HTTP/1.1\r\nHost: x\r\nX-A: "])
async def test_who_does_not_finish_a_head_is_cut(tmp_path: Path, sent: bytes) -> None:
    async with served(tmp_path) as front:
        reader, writer = await front.open()
        writer.write(sent)
        assert HEAD - 0.1 <= await cut_after(reader) < HEAD + LATE
        writer.close()


async def test_a_head_that_drips_is_cut_although_it_moves(tmp_path: Path) -> None:
    async with served(tmp_path) as front:
        reader, writer = await front.open()
        dripping = asyncio.create_task(drip(writer, front.head(5)))
        assert await cut_after(reader) < HEAD + LATE
        dripping.cancel()
        writer.close()


async def test_a_body_that_drips_hears_408_and_is_cut_although_it_moves(tmp_path: Path) -> None:
    async with served(tmp_path) as front:
        reader, writer = await front.open()
        writer.write(front.head(len(GOOD)))
        dripping = asyncio.create_task(drip(writer, GOOD))
        async with asyncio.timeout(BODY + LATE):
            assert b" 408 " in await reader.readuntil(b"\r\n")
        assert await cut_after(reader) < CUT - BODY + LATE
        dripping.cancel()
        writer.close()
        assert front.shop.publisher.records == []


async def test_a_large_body_on_a_slow_line_is_taken_while_it_moves_on(tmp_path: Path) -> None:
    """Longer than a part may take, shorter than the whole may."""
    body = json.dumps({"batch": [MESSAGE]}).encode() + b" " * (5 * PART)
    async with served(tmp_path) as front:
        reader, writer = await front.open()
        began = asyncio.get_running_loop().time()
        writer.write(front.head(len(body), "/v1/batch"))
        for place in range(0, len(body), PART):
            writer.write(body[place : place + PART])
            await writer.drain()
            await asyncio.sleep(BODY / 3)
        assert b" 200 " in await reader.readuntil(b"\r\n")
        assert asyncio.get_running_loop().time() - began > BODY
        writer.close()


async def test_a_file_on_a_slow_line_is_not_cut_while_it_moves_on(tmp_path: Path) -> None:
    """Files have minutes; the connection itself only asks that they move."""
    path = "/api/v1/imports?kind=orders&name=a.csv"
    async with served(tmp_path) as front:
        reader, writer = await front.open()
        writer.write(front.head(8 * PART, path, bearer=front.shop.import_key))
        for _ in range(8):
            writer.write(b"x" * PART)
            await writer.drain()
            await asyncio.sleep(CUT / 4)
        assert b" 201 " in await reader.readuntil(b"\r\n")
        writer.close()


async def test_who_goes_on_sending_after_an_answer_is_cut(tmp_path: Path) -> None:
    async with served(tmp_path) as front:
        reader, writer = await front.open()
        writer.write(front.head(2 << 20, "/nowhere"))
        dripping = asyncio.create_task(drip(writer, b"x" * 1_000))
        assert b" 404 " in await reader.readuntil(b"\r\n")
        assert await cut_after(reader) < CUT + LATE
        dripping.cancel()
        writer.close()


async def test_a_head_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    async with served(tmp_path) as front:
        reader, writer = await front.open()
        writer.write(b"POST /v1/t HTTP/1.1\r\nHost: x\r\n")
        with suppress(ConnectionError):
            for number in range(2_000):
                writer.write(b"X-%d: " % number + b"y" * 1_000 + b"\r\n")
                await writer.drain()
        assert await cut_after(reader) < HEAD - 0.1
        writer.close()


async def test_many_small_requests_on_one_connection_are_no_long_head(tmp_path: Path) -> None:
    async with served(tmp_path, head=30) as front:
        reader, writer = await front.open()
        one = front.head(len(GOOD)) + GOOD
        for _ in range(300):
            writer.write(one)
            await reader.readuntil(b'{"success":true}')
        writer.close()
        assert len(front.shop.publisher.facts()) == 300
        assert len(one) * 300 > LARGEST_HEAD


async def test_connections_that_only_stand_there_keep_nobody_out_for_long(tmp_path: Path) -> None:
    async with served(tmp_path, at_once=20) as front, httpx2.AsyncClient(timeout=5) as client:
        idle = [await front.open() for _ in range(20)]
        address = f"http://127.0.0.1:{front.port}/v1/t"
        refused = await client.post(address, content=GOOD, headers=front.shop.basic)
        await asyncio.sleep(HEAD + LATE)
        taken = await client.post(address, content=GOOD, headers=front.shop.basic)
        assert (refused.status_code, taken.status_code) == (503, 200)
        for _, writer in idle:
            writer.close()


async def test_a_kept_connection_serves_requests_longer_than_the_limit_of_one(tmp_path: Path) -> None:
    async with served(tmp_path) as front, httpx2.AsyncClient(timeout=5) as client:
        for _ in range(6):
            answer = await client.post(f"http://127.0.0.1:{front.port}/v1/t", content=GOOD, headers=front.shop.basic)
            assert answer.status_code == 200
            await asyncio.sleep(0.25)


async def test_without_the_limit_a_silent_connection_stays(tmp_path: Path) -> None:
    """The guard seen missing: this is what uvicorn does by itself."""
    async with served(tmp_path, head=60) as front:
        reader, writer = await front.open()
        writer.write(b"POST /v1/t HTTP/1.1\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), HEAD + LATE)
        writer.close()
