"""How one HTTP call to a provider ended: answered, provably not begun, or nobody knows; it knows no provider."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import httpx2
import msgspec

from services.notifier.channels.contract import Retry, Unknown

RETRY_MS: Final = 2_000
"""Wait after a call that provably did not begin; the notifier lengthens it with the number of attempts."""
THROTTLED_MS: Final = 30_000
"""Wait after a 429 that names no time of its own."""
LONGEST_RETRY_AFTER_MS: Final = 3_600_000
"""A provider that asks for more is asked again after this time."""
_KEEPALIVE_S: Final = 2.0
"""Far below any server's own limit: writing into a connection the server is just closing ends in Unknown."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Seconds one call may take. The notifier's lease must be longer than `total_s`."""

    connect_s: float = 3.0
    total_s: float = 10.0
    connections: int = 20


class Answer(msgspec.Struct, frozen=True):
    """A complete HTTP answer; it says nothing yet about acceptance."""

    status: int
    body: bytes
    retry_after_ms: int | None

    def document(self) -> dict[str, object] | None:
        """The body as a JSON object, or None when it is anything else."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


class NotBegun(msgspec.Struct, frozen=True):
    """No byte of the request reached the provider."""

    reason: str

    def outcome(self) -> Retry:
        """The same for the notifier."""
        return Retry(RETRY_MS, self.reason)


class Ambiguous(msgspec.Struct, frozen=True):
    """Bytes may have reached the provider and its answer is lost."""

    reason: str

    def outcome(self) -> Unknown:
        """The same for the notifier."""
        return Unknown(self.reason)


Ending = Answer | NotBegun | Ambiguous


def create_client(base_url: str, limits: HttpLimits) -> httpx2.AsyncClient:
    """A client that follows no redirect, reads no proxy from the environment and logs no address."""
    # The client logs each URL at INFO, and providers want phone numbers and tokens in the URL.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    return httpx2.AsyncClient(
        base_url=base_url,
        verify=_trust(),
        timeout=httpx2.Timeout(limits.total_s, connect=limits.connect_s),
        limits=httpx2.Limits(max_connections=limits.connections, keepalive_expiry=_KEEPALIVE_S),
        follow_redirects=False,
        trust_env=False,
    )


async def exchange(
    client: httpx2.AsyncClient,
    method: Literal["GET", "POST"],
    target: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    limits: HttpLimits,
) -> Ending:
    """Make one call to `target` (path and encoded query) and say how it ended; never raises for network trouble."""
    try:
        async with asyncio.timeout(limits.total_s):
            response = await client.request(method, target, headers=headers, content=body)
    except (httpx2.ConnectError, httpx2.ConnectTimeout):
        return NotBegun("connect-failed")
    except httpx2.PoolTimeout:
        return NotBegun("no-free-connection")
    except (httpx2.TimeoutException, TimeoutError):
        return Ambiguous("no-answer-in-time")
    except (httpx2.NetworkError, httpx2.RemoteProtocolError):
        return Ambiguous("connection-lost")
    except httpx2.RequestError:
        return Ambiguous("unreadable-answer")
    return Answer(response.status_code, response.content, _retry_after_ms(response.headers.get("retry-after", "")))


def status_outcome(answer: Answer) -> Retry | Unknown | None:
    """What the status alone decides: 429 is a documented refusal, a bare 5xx proves nothing; None: nothing."""
    if answer.status == 429:
        return Retry(THROTTLED_MS if answer.retry_after_ms is None else answer.retry_after_ms, "http-429")
    if answer.status >= 500 or answer.status == 408 or 300 <= answer.status < 400:
        return Unknown(f"http-{answer.status}")
    return None


@cache
def _trust() -> ssl.SSLContext:
    """The usual certificate authorities, read once: each reading costs some sixty milliseconds."""
    return httpx2.create_ssl_context()


def _retry_after_ms(header: str) -> int | None:
    if not (header.isascii() and header.isdigit()):
        return None
    return min(int(header) * 1_000, LONGEST_RETRY_AFTER_MS)
