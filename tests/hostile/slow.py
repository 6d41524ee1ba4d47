"""Clients that send a byte a second, heads or bodies, and how long they are borne. Knows sockets; not what is asked."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final, NamedTuple

from shared import clock
from tests.hostile.corpus import TYPED

LONGEST: Final = 15.0
"""Seconds after which such a client must be rid of."""
_PAUSE: Final = 1.0
_HEAD: Final = "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"


class Borne(NamedTuple):
    """What became of one slow client."""

    name: str
    seconds: float
    answer: str
    """The first line it heard, "" if it was just cut."""

    @property
    def surprise(self) -> str:
        """What is not as it must be."""
        if self.seconds > LONGEST:
            return f"borne for {self.seconds:.0f} s"
        return "" if not self.answer or " 408 " in self.answer else self.answer


async def slow_clients(port: int, key: str, each: int = 5) -> list[Borne]:
    """`each` of every kind, side by side."""
    head = _HEAD.format(path=TYPED, key=key)
    kinds = {
        "nothing at all": ("", ""),
        "a head by bytes": ("POST ", "x" * 1_000),
        "a body by bytes": (head + "Content-Length: 1000\r\n\r\n", "{" + " " * 998),
        "chunks by bytes": (head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n" * 300),
    }
    return await asyncio.gather(*(_slow(name, port, *parts) for name, parts in kinds.items() for _ in range(each)))


async def _slow(name: str, port: int, at_once: str, slowly: str) -> Borne:
    began = clock.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = asyncio.create_task(reader.readline())
    sending = asyncio.create_task(_trickle(writer, at_once, slowly))
    try:
        async with asyncio.timeout(LONGEST + 5):
            line = await asyncio.shield(heard)
    except TimeoutError:
        line = b""
    except ConnectionError:
        line = b""
    finally:
        sending.cancel()
        heard.cancel()
        await asyncio.gather(sending, heard, return_exceptions=True)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return Borne(name, clock.monotonic() - began, line.decode("latin-1").strip())


async def _trickle(writer: asyncio.StreamWriter, at_once: str, slowly: str) -> None:
    with contextlib.suppress(ConnectionError):
        writer.write(at_once.encode())
        for byte in slowly.encode():
            await asyncio.sleep(_PAUSE)
            writer.write(bytes([byte]))
            await writer.drain()
        await asyncio.sleep(LONGEST * 2)
