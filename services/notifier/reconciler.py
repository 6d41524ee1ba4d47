"""Clears up what workers left: lapsed leases, overdue commands, receipts, doubts; decides nothing itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from services.notifier.channels.contract import Attempt, Channel, ChannelName, Outcome, Unknown
from services.notifier.contacts import UnsendableError, Writer
from services.notifier.logic import after_look_up, after_receipt, in_doubt
from services.notifier.meter import Meter
from services.notifier.outbox import Outbox
from services.notifier.state import Move, Row, State
from shared.log import Log

LOG = Log(__name__)
SWEEP = 500
"""Commands moved in one transaction."""
LOOK_UPS = 32
"""Providers are asked about so many commands side by side."""


class Reconciler:
    """Run one per process; several processes share the work by row locks."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[ChannelName, Channel],
        writer: Writer,
        *,
        look_up_s: float,
        meter: Meter | None = None,
    ) -> None:
        self._outbox = outbox
        self._channels = channels
        self._writer = writer
        self._look_up_s = look_up_s
        self._meter = meter or Meter()

    async def turn(self) -> int:
        """Look at everything that is due; how many commands were looked at."""
        return await self._lapsed() + await self._overdue() + await self._receipts() + await self._doubts()

    async def _lapsed(self) -> int:
        async with self._outbox.begin() as transaction:
            rows = await transaction.lock_lapsed(limit=SWEEP)
            doubt = in_doubt("lease-lapsed", self._outbox.limits)
            await self._outbox.settle_all(transaction, [(row, doubt) for row in rows])
        return len(rows)

    async def _overdue(self) -> int:
        if not self._outbox.limits.expiry:
            return 0
        async with self._outbox.begin() as transaction:
            rows = await transaction.lock_overdue(await self._outbox.now(transaction), limit=SWEEP)
            overdue = Move(to=State.EXPIRED, reason="send-by")
            await self._outbox.settle_all(transaction, [(row, overdue) for row in rows])
        return len(rows)

    async def _receipts(self) -> int:
        async with self._outbox.begin() as transaction:
            receipts = await transaction.lock_receipts(limit=SWEEP)
            for receipt in receipts:
                row = receipt.row
                move = after_receipt(row, receipt.status, receipt.reason)
                if move is None or await self._outbox.settle(transaction, row, move):
                    await transaction.receipt_applied(receipt)
        return len(receipts)

    async def _doubts(self) -> int:
        hold_ms = self._outbox.limits.lease
        async with self._outbox.begin() as transaction:
            doubts = await transaction.take_doubts(limit=LOOK_UPS, hold_ms=hold_ms)
        async with asyncio.TaskGroup() as group:
            for row, sealed in doubts:
                channel = self._channels.get(row.command.channel)
                if channel is None:
                    LOG.warning("in doubt, and its channel is not configured", command_id=row.command.command_id)
                else:
                    group.create_task(self._resolve(row, sealed, channel))
        return len(doubts)

    async def _resolve(self, row: Row, sealed: str | None, channel: Channel) -> None:
        found = await self._look_up(row, sealed, channel)
        async with self._outbox.begin() as transaction:
            now = await self._outbox.now(transaction)
            move = after_look_up(found, row, channel.capabilities, now=now, limits=self._outbox.limits)
            await self._outbox.settle(transaction, row, move)

    async def _look_up(self, row: Row, sealed: str | None, channel: Channel) -> Outcome | None:
        if not channel.capabilities.lookup:
            return None
        try:
            outbound = self._writer.outbound(row.command, sealed)
        except UnsendableError as error:
            return Unknown(str(error))
        attempt = Attempt(outbound=outbound, started_at_ms=row.started_at, provider_ref=row.provider_ref)
        found: Outcome | None = Unknown("look-up-timeout")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look_up_s):
                found = await channel.look_up(attempt)
        self._meter.answered(row.command.channel, "look_up", found)
        return found
