"""Reads what a client sends: body, encoding, credentials, trace; all with limits. Knows HTTP requests; not JSON or events."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import Final

from starlette.requests import ClientDisconnect, Request

from services.ingest.strict_json import STANDARD, BodyTooLargeError, JsonRefusedError, inflate

READ_SECONDS: Final = 10.0
"""For each part of a body; it is there in three times that, or too slow as well."""
PART: Final = 16 << 10
"""Bytes; slower than this is no line that anybody has to use."""
_GZIP: Final = b"\x1f\x8b"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class BodyTooSlowError(Exception):
    """The client did not send its body in time, or went away."""


async def read_body(request: Request, limit: int = STANDARD.body, *, within: float = READ_SECONDS) -> bytes:
    """The body, inflated if it is gzip; the content type does not matter, for SDKs send JSON under several.

    BodyTooLargeError beyond `limit` bytes, BodyTooSlowError unless each part is there `within` seconds, all in thrice that.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise BodyTooLargeError("$", f"body is larger than {limit} bytes")
    chunks, size, awaited, now = [], 0, PART, asyncio.get_running_loop().time
    end = now() + 3 * within
    try:
        async with asyncio.timeout(within) as patience:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise BodyTooLargeError("$", f"body is larger than {limit} bytes")
                chunks.append(chunk)
                if size >= awaited:
                    awaited = size + PART
                    patience.reschedule(min(end, now() + within))
    except (TimeoutError, ClientDisconnect):
        raise BodyTooSlowError from None
    raw = b"".join(chunks)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise JsonRefusedError("$", "body must be plain or gzip")
    return inflate(raw, limit) if encoding == "gzip" or raw.startswith(_GZIP) else raw


def basic_user(request: Request) -> str | None:
    """The user of `Authorization: Basic`, where Segment's SDKs put the write key; None without such a header."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def bearer(request: Request) -> str:
    """The token of `Authorization: Bearer`, or ""."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def prefers(request: Request, preference: str) -> bool:
    """Whether the client asks for it, by the header of RFC 7240."""
    parts = (part for line in request.headers.getlist("prefer") for part in line.split(","))
    return preference in {part.replace(" ", "").replace('"', "").lower() for part in parts}


def traceparent(request: Request) -> str:
    """The trace context, if it is one."""
    given = request.headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else ""
