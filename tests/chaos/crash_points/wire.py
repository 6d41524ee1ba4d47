"""A wire between notifier and providers that may be the last thing a process touches: knows requests, not what they mean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

Dies = Callable[[str], bool]
"""True: the process dies instead of this effect."""

_CALL = re.compile(rb"^(?:POST|GET) /cgi-bin/(?:\w+/)?(\w+)")
_ACTION = re.compile(rb"^x-acs-action: (\w+)", re.MULTILINE | re.IGNORECASE)
_END_OF_MAIL = b"\r\n.\r\n"


class Wire:
    """Connections of the process that lives now; `cut` ends them all with whatever was on the way."""

    def __init__(self, dies: Dies) -> None:
        self._dies = dies
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def to(self, port: int, *, mail: bool = False) -> AsyncIterator[int]:
        """Listens on loopback for one provider; gives the port to use in its place."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            try:
                await self._carry(reader, writer, port, _Mail() if mail else _Http())
            except (asyncio.CancelledError, OSError):
                pass  # cut, or closed by one of the two
            finally:
                self._connections.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await self.cut()

    async def cut(self) -> None:
        """Returns when no byte can come through any more."""
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, spoken: _Mail | _Http
    ) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        pumps = {
            asyncio.create_task(self._pump(reader, inner_writer, spoken.asked, "before it is written")),
            asyncio.create_task(self._pump(inner_reader, writer, spoken.answered, "before the answer is read")),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            inner_writer.close()
            with suppress(OSError):
                await inner_writer.wait_closed()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, name: Callable[[bytes], str], when: str
    ) -> None:
        while chunk := await source.read(1 << 16):
            what = name(chunk)
            if what and self._dies(f"provider {what} {when}"):
                await asyncio.sleep(3_600)  # until cut
            target.write(chunk)
            await target.drain()


class _Http:
    """Names requests by their call; later chunks of the same message have no name."""

    def __init__(self) -> None:
        self._call = ""

    def asked(self, chunk: bytes) -> str:
        found = _CALL.search(chunk) or _ACTION.search(chunk)
        self._call = found.group(1).decode() if found else self._call
        return self._call if found else ""

    def answered(self, _chunk: bytes) -> str:
        call, self._call = self._call, ""
        return call


class _Mail:
    """Names SMTP commands by their verb, and the mail itself."""

    def __init__(self) -> None:
        self._step = "greeting"
        self._content = False

    def asked(self, chunk: bytes) -> str:
        if self._content:
            begins = self._step != "mail"
            self._step, self._content = "mail", not chunk.endswith(_END_OF_MAIL)
            return "smtp mail" if begins else ""
        self._step = chunk.split(None, 1)[0].decode().upper() if chunk.strip() else ""
        return f"smtp {self._step}"

    def answered(self, chunk: bytes) -> str:
        step, self._step = self._step, ""
        self._content = step == "DATA" and chunk.startswith(b"354")
        return f"smtp {step}" if step else ""
