"""Sends the corpus to a running ingest and says what became of each request. Knows HTTP; judges no topic."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

import httpx2

from shared import clock
from tests.hostile.corpus import TYPED, Case

AT_ONCE: Final = 8
PATIENCE: Final = 60.0
TRIES: Final = 5
"""Of a request that hears 503: the broker was busy, and nobody promised otherwise."""
_PIECE: Final = 1 << 16


class Outcome(NamedTuple):
    """What a request was answered, and of how many events it said what."""

    case: Case
    status: int
    """0: the connection was closed."""
    stored: int
    kept_out: int
    took_ms: int
    tries: int = 1
    surprise: str = ""
    """What is not as it must be."""


async def attack(address: str, key: str, cases: Sequence[Case]) -> list[Outcome]:
    """The outcomes, in the cases' order."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx2.AsyncClient(base_url=address, timeout=PATIENCE) as client:

        async def one(case: Case) -> Outcome:
            async with gate:
                return await _sent(client, key, case)

        return await asyncio.gather(*map(one, cases))


async def _sent(client: httpx2.AsyncClient, key: str, case: Case) -> Outcome:
    basic = base64.b64encode(f"{key}:".encode()).decode()
    credentials = f"Bearer {key}" if case.path == TYPED else f"Basic {basic}"
    headers = {"authorization": credentials, **dict(case.headers)}
    for tries in range(1, TRIES + 1):
        began = clock.monotonic()
        content = _pieces(case.body) if case.chunked else case.body
        try:
            answer = await client.post(case.path, content=content, headers=headers)
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
            return Outcome(case, 0, 0, case.kept_out + len(case.stored), _ms(began), tries, _closed(case))
        if answer.status_code != 503:
            break
        await asyncio.sleep(1.0)
    return _judged(case, answer, _ms(began))._replace(tries=tries)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), _PIECE):
        yield body[start : start + _PIECE]


def _ms(began: float) -> int:
    return round((clock.monotonic() - began) * 1_000)


def _closed(case: Case) -> str:
    """A body far above the limit may be cut off while it is being sent."""
    return "" if len(case.body) > 10_000_000 else "the connection was closed"


def _judged(case: Case, answer: httpx2.Response, took: int) -> Outcome:
    offered = len(case.stored) + case.kept_out
    status = answer.status_code
    if status >= 500:
        return Outcome(case, status, 0, offered, took, surprise="a failure of the server")
    if status in {200, 207, 409, 422} and case.path == TYPED:
        results = Counter(result["status"] for result in answer.json().get("results", ()))
        stored, out = results["accepted"] + results["duplicate"], results["rejected"] + results["conflict"]
    elif status == 200:
        stored, out = len(case.stored), case.kept_out  # Segment's answer does not tell: the topics do
    else:
        stored, out = 0, offered
    right = (stored, out) == (len(case.stored), case.kept_out)
    return Outcome(case, status, stored, out, took, surprise="" if right else f"{stored} stored, {out} kept out")
