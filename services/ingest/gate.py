"""Who may enter: write keys checked, and read again when their file changes. Knows keys and scopes; not requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from services.ingest.write_keys import Scope, WriteKeys, WriteKeysError
from shared.log import Log

RELOAD_SECONDS: Final = 1.0


class KeyRefusedError(Exception):
    """The write key is missing, unknown or revoked."""


class ScopeRefusedError(Exception):
    """The write key may not be used for live events."""


@final
class Gate:
    """The write keys of one file, at most a second old."""

    def __init__(self, keys: WriteKeys, monotonic: Callable[[], float]) -> None:
        self._keys, self._monotonic = keys, monotonic
        self._looked = monotonic()
        self._log = Log("ingest")

    def live(self, presented: object) -> str:
        """The name of the source that may send live events with this key."""
        self._refresh()
        source = self._keys.check(presented) if isinstance(presented, str) else None
        if source is None:
            raise KeyRefusedError
        if Scope.LIVE not in source.scopes:
            raise ScopeRefusedError
        return source.name

    def identity(self, presented: object) -> str:
        """The name of the source that may split people with this key."""
        self._refresh()
        source = self._keys.check(presented) if isinstance(presented, str) else None
        if source is None:
            raise KeyRefusedError
        if Scope.IDENTITY not in source.scopes:
            raise ScopeRefusedError
        return source.name

    def _refresh(self) -> None:
        now = self._monotonic()
        if now - self._looked < RELOAD_SECONDS:
            return
        self._looked = now
        try:
            if self._keys.reload_if_changed():
                self._log.info("write-keys-read")
        except WriteKeysError as error:
            self._log.warning("write-keys-unreadable", error=error)
