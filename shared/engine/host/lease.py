"""Until when the group cannot have given our partitions to somebody else (rule 9); knows no broker."""

from __future__ import annotations

import math

from shared import clock
from shared.engine.fold.rules import ALL_ON, BrokenInvariantError, Off, Rule


class Lease:
    """Held for one session from the last confirmed contact with the group's coordinator, by the worker's own steady clock.

    The session is counted from the instant at which the confirmed question was asked; the coordinator counts from its
    arrival. So it never ends after the coordinator's, and nothing has to be taken off.
    """

    def __init__(self, seconds: float, *, off: Off = ALL_ON) -> None:
        self._seconds, self._off = seconds, off
        self._until = -math.inf

    def renew(self, asked: float) -> None:
        """The coordinator has confirmed us; the question was asked at `asked` of `clock.monotonic`."""
        self._until = max(self._until, asked + self._seconds)

    def lose(self) -> None:
        """The coordinator does not know us any more."""
        self._until = -math.inf

    @property
    def held(self) -> bool:
        """Whether we may write."""
        return clock.monotonic() < self._until or Rule.HEARTBEAT_WATCH in self._off

    def check(self) -> None:
        """BrokenInvariantError unless held: whoever has taken over would be overwritten."""
        if not self.held:
            raise BrokenInvariantError(
                "the group did not confirm this worker for a whole session: its partitions may have another owner, "
                "so it writes nothing more"
            )
