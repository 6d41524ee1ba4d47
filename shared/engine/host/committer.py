"""When what is persisted is committed, and what an accepted commit proves; knows no records."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from shared import clock
from shared.engine.host.lease import Lease
from shared.log import Log

COMMIT_SECONDS = 0.2
"""Commits of a busy worker are at least this far apart: recovery follows the changelog, a commit only tells others."""

Position = tuple[int, str]
"""Offset to commit and its metadata."""


class Committer:
    """Commits positions, and by that confirms the lease.

    aiokafka keeps the instant of its last good heartbeat in a local variable of a private task. A commit is the one public
    call that carries member id and generation and is refused to whoever was replaced, and the coordinator renews the
    session with it; so each accepted commit renews the lease, and an idle worker repeats its positions at every heartbeat.
    """

    def __init__(
        self, commit: Callable[[dict[int, Position]], Awaitable[None]], lease: Lease, log: Log, *, heartbeat: float
    ) -> None:
        self._commit, self._lease, self._log, self._heartbeat = commit, lease, log, heartbeat
        self._positions: dict[int, Position] = {}
        self._fresh: set[int] = set()
        self._asked = -math.inf
        self._one = asyncio.Lock()

    def note(self, positions: Mapping[int, Position]) -> None:
        """These partitions are persisted up to here."""
        self._positions.update(positions)
        self._fresh.update(positions)

    def forget(self) -> None:
        """No partition is ours any more."""
        self._positions.clear()
        self._fresh.clear()

    async def when_due(self) -> None:
        """Commit what is new if the last commit is old enough."""
        if self._fresh and clock.monotonic() - self._asked >= COMMIT_SECONDS:
            await self.now()

    async def now(self) -> None:
        """Commit what is new."""
        async with self._one:
            await self._send({number: self._positions[number] for number in self._fresh})

    async def beat(self) -> None:
        """For ever: commit what a turn left over, and repeat all positions where nothing was confirmed for a heartbeat."""
        while True:
            await asyncio.sleep(min(COMMIT_SECONDS, self._heartbeat))
            await self.when_due()
            if clock.monotonic() - self._asked >= self._heartbeat:
                async with self._one:
                    await self._send(dict(self._positions))

    async def _send(self, positions: dict[int, Position]) -> None:
        if not positions:
            return
        asked = self._asked = clock.monotonic()
        self._fresh.difference_update(positions)
        try:
            await self._commit(positions)
        except CommitFailedError as error:
            self._lease.lose()
            self._log.warning("commit refused, the next owner replays", error=repr(error))
        except (IllegalStateError, KafkaError) as error:
            self._log.warning("commit failed, the changelog knows better", error=repr(error))
        else:
            self._lease.renew(asked)
