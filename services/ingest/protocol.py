"""Connections that dawdle are cut: uvicorn's protocol with limits on requests. Knows sockets; not what is asked."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.ingest.bodies import PART

LARGEST_HEAD: Final = 64 << 10
"""Bytes of request line and headers."""


class Patient(HttpToolsProtocol):
    """uvicorn itself waits for ever: for the first byte, for the rest of a head however long, for a body answered early."""

    head_seconds: ClassVar[float]
    """A head is whole so long after its first byte, or after the connection."""
    body_seconds: ClassVar[float]
    """So long after its head a body is whole, or a part of it is there and the next awaited; not once it was answered."""
    _deadline: asyncio.TimerHandle | None = None
    _in_head, _head_bytes, _part_bytes = True, 0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection; its first head must come in time."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._within(self.head_seconds)

    def data_received(self, data: bytes) -> None:
        """Some bytes; a head that has become too long is refused."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("Request head too large.")

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._within(self.head_seconds)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole; the body must follow in time."""
        self._in_head, self._head_bytes, self._part_bytes = False, 0, 0
        self._within(self.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body; while somebody reads it, every part gets time of its own."""
        self._part_bytes += len(body)
        if self._part_bytes >= PART and not self.cycle.response_complete:
            self._part_bytes = 0
            self._within(self.body_seconds)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_head = True
        self._in_time()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._in_time()
        super().connection_lost(exc)

    def _within(self, seconds: float) -> None:
        self._in_time()
        self._deadline = self.loop.call_later(seconds, self._cut)

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        self._deadline = None
        self.transport.abort()


def patient(head_seconds: float, body_seconds: float) -> type[Patient]:
    """The protocol class with these limits, as uvicorn wants it."""

    class Limited(Patient):
        pass

    Limited.head_seconds, Limited.body_seconds = head_seconds, body_seconds
    return Limited
