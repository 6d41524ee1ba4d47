"""Who may enter, and how often: write keys read again when their file changes, one bucket per key. Knows no request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from services.ingest.rate import Bucket, Limit, take
from services.ingest.write_keys import Scope, Source, WriteKeys, WriteKeysError
from shared.log import Log

RELOAD_SECONDS: Final = 0.5
"""Between two looks at the file: a revoked key is refused within a second, a request under way included."""
STANDARD: Final = Limit(per_second=2_000, burst=20_000)
"""For a key that names no limit of its own."""


class KeyRefusedError(Exception):
    """The write key is missing, unknown or revoked."""


class ScopeRefusedError(Exception):
    """The write key has not the scope that the route asks for."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"the write key has not the scope {scope}")


class RateRefusedError(Exception):
    """The write key has used up its events; `wait_ms` until there are some again."""

    def __init__(self, wait_ms: int) -> None:
        super().__init__(f"too many events for this write key; send the same again after {wait_ms} ms")
        self.wait_ms = wait_ms


@final
class Gate:
    """The write keys of one file, half a second old at most, and what is left to each; no memory for unknown ones."""

    def __init__(self, keys: WriteKeys, monotonic: Callable[[], float], limit: Limit = STANDARD) -> None:
        """`limit`: of keys without one of their own."""
        self._keys, self._monotonic, self._limit = keys, monotonic, limit
        self._looked = monotonic()
        self._buckets: dict[str, Bucket] = {}
        self._log = Log("ingest")

    def admit(self, presented: object, scope: Scope, *, events: int = 0) -> Source:
        """The source that this key stands for, after taking `events` from what it may send; 0 only looks.

        KeyRefusedError, ScopeRefusedError or RateRefusedError. Look before a body is read, take when its events are counted.
        """
        self._refresh()
        source = self._keys.check(presented) if isinstance(presented, str) else None
        if source is None:
            raise KeyRefusedError
        if scope not in source.scopes:
            raise ScopeRefusedError(scope)
        taken = take(
            self._buckets.get(source.key_id),
            source.limit or self._limit,
            events=events,
            now=int(self._monotonic() * 1_000),
        )
        self._buckets[source.key_id] = taken.bucket
        if taken.wait_ms:
            raise RateRefusedError(taken.wait_ms)
        return source

    def _refresh(self) -> None:
        now = self._monotonic()
        if now - self._looked < RELOAD_SECONDS:
            return
        self._looked = now
        try:
            if not self._keys.reload_if_changed():
                return
        except WriteKeysError as error:
            self._log.warning("write-keys-unreadable", error=error)
            return
        self._buckets = {key_id: bucket for key_id, bucket in self._buckets.items() if self._keys.knows(key_id)}
        self._log.info("write-keys-read")
