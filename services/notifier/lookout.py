"""Wakes the senders where something is due; one small question for all channels, knows no command."""

from __future__ import annotations

from collections.abc import Sequence

from services.notifier.bell import Bell
from services.notifier.channels.contract import ChannelName
from services.notifier.outbox import Outbox


class Lookout:
    """One per process: eight idle senders that ask for themselves cost a tenth of a core."""

    def __init__(self, outbox: Outbox, channels: Sequence[ChannelName], bell: Bell) -> None:
        self._outbox, self._channels, self._bell = outbox, channels, bell

    async def turn(self) -> int:
        """Ring if a command of these channels may be looked at now; always 0, for the work is the senders'."""
        async with self._outbox.begin() as transaction:
            due = await transaction.any_pending(self._channels)
        if due:
            self._bell.ring()
        return 0
