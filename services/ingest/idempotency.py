"""Answers remembered by Idempotency-Key, for a while, in this process. Knows keys, digests and bytes; not HTTP or events."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple, final

from services.ingest.shelf import Bounds, Shelf

BOUNDS: Final = Bounds(window_ms=600_000, weight=16 << 20)
"""Ten minutes, 16 MiB of answers."""
_KEY: Final = re.compile(r"[!-~]{1,255}", re.ASCII)
_OWN: Final = 256
"""Bytes that an entry costs beside its answer."""


class KeyMalformedError(Exception):
    """The Idempotency-Key cannot be one."""


class KeyReusedError(Exception):
    """The Idempotency-Key came with another body before."""


class Answer(NamedTuple):
    """What was answered."""

    status: int
    body: bytes


class _Kept(NamedTuple):
    digest: bytes
    answer: Answer | None
    """None while it is under way, or when it failed."""


class Call(NamedTuple):
    """One request under a key of its source."""

    source: str
    key: str
    digest: bytes


def call_of(source: str, key: str, body: bytes) -> Call:
    """The call that this header names, quotes around it allowed; KeyMalformedError unless it has 1 to 255 visible characters."""
    if len(key) > 1 and key.startswith('"') and key.endswith('"'):
        key = key[1:-1]
    if _KEY.fullmatch(key) is None:
        raise KeyMalformedError
    return Call(source, key, hashlib.blake2b(body, digest_size=16).digest())


@final
class Answers:
    """A courtesy to clients that retry: forgotten at a restart, unknown to other processes. Event ids make repeats harmless."""

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        self._kept: Shelf[tuple[str, str], _Kept] = Shelf(bounds)

    def begin(self, call: Call, now: int) -> Answer | None:
        """The earlier answer to this very request, or None: go on. KeyReusedError if the key came with another body."""
        kept = self._kept.get((call.source, call.key), now)
        if kept is None:
            self._kept.put((call.source, call.key), _Kept(call.digest, None), now, weight=_OWN)
            return None
        if kept.digest != call.digest:
            raise KeyReusedError
        return kept.answer

    def finish(self, call: Call, answer: Answer, now: int) -> None:
        """Remember what was answered."""
        kept = _Kept(call.digest, answer)
        self._kept.put((call.source, call.key), kept, now, weight=_OWN + len(answer.body))
