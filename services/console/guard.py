"""What every answer carries and which host names may ask; knows HTTP, no content."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Refuses strange host names (a page elsewhere may point its own name at this machine), and sets the headers."""

    def __init__(self, app: ASGIApp, *, names: frozenset[str] = frozenset()) -> None:
        """`names`: those allowed beside the localhost names."""
        self._app, self._names = app, LOCAL | names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if host_name(Headers(scope=scope).get("host", "")) in self._names:
            await self._app(scope, receive, guarded)
        else:
            refusal = PlainTextResponse("Host: must be a localhost name, or one of HUITOU_CONSOLE_NAMES\n", 421)
            await refusal(scope, receive, guarded)


def host_name(header: str) -> str:
    """The name in a Host header, without port, in lower case."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[: name.find("]") + 1]
    return name.partition(":")[0]
