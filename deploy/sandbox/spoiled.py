"""HTTP answers that are lost on the way: hanging, reset, broken; it knows sockets and no provider."""

import asyncio
import socket
import struct
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

_ABORT = "abort"


class ResettableProtocol(H11Protocol):
    """An HTTP server protocol whose requests can have their connection reset under them."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Request lines hold phone numbers and tokens, and a handler on the root logger would show them.
        self.access_log = False
        # The one thing of the connection that an application is shown and that is ours to extend.
        self.app_state = {**self.app_state, _ABORT: lambda: reset(transport)}


def reset(transport: asyncio.BaseTransport) -> None:
    """Close with RST, as a crashed host does, instead of the polite end."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


class ResetResponse(Response):
    """No answer: the connection is reset."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"][_ABORT]()
        await _gone(receive)


class HangResponse(Response):
    """No answer for this long, unless the client goes first; then a reset."""

    def __init__(self, hang_ms: int) -> None:
        super().__init__()
        self._hang_s = hang_ms / 1_000

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._hang_s):
                await _gone(receive)
        except TimeoutError:
            scope["state"][_ABORT]()
            await _gone(receive)


class GarbageResponse(Response):
    """Status 200 and half a JSON document."""

    def __init__(self, document: bytes) -> None:
        super().__init__(document[: max(len(document) // 2, 1)], media_type="application/json")


async def _gone(receive: Receive) -> None:
    message: Any = {}
    while message.get("type") != "http.disconnect":
        message = await receive()
