"""Claims pending commands of one channel, sends them and notes what came of it; decides nothing itself."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from services.notifier.channels.contract import Channel, ChannelName, Outcome, RejectMessage, Retry, Unknown
from services.notifier.contacts import UnsendableError, Writer
from services.notifier.logic import after_send, check, may_run, stopped_rules
from services.notifier.meter import Meter
from services.notifier.outbox import Outbox
from services.notifier.state import Move, Row, State
from shared import clock
from shared.log import Log

LOG = Log(__name__)
SERVED = Move(to=State.SUPPRESSED, reason="served")
"""Of a first attempt whose place in the permanent ledger is taken."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A command that is ours to send until `start_by`."""

    row: Row
    sealed: str | None
    start_by: float
    """Monotonic seconds: begun later, the send could outlive its lease."""


class Sender:
    """One worker of one channel; `send_s` bounds a send and must be shorter than the lease."""

    def __init__(
        self,
        outbox: Outbox,
        name: ChannelName,
        channel: Channel,
        writer: Writer,
        *,
        batch: int,
        send_s: float,
        meter: Meter | None = None,
    ) -> None:
        self._outbox = outbox
        self._name = name
        self._channel = channel
        self._writer = writer
        self._batch = batch
        self._send_s = send_s
        self._meter = meter or Meter()

    async def turn(self) -> int:
        """Claim a batch, send it side by side, note the outcomes; how many were looked at."""
        looked_at, claimed = await self._claim()
        async with asyncio.TaskGroup() as group:
            sending = {group.create_task(self._send(each)) for each in claimed}
            while sending:
                # What ends while the database is at work is noted together, in its next transaction.
                ended, sending = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                await self._note([each.result() for each in ended])
        return looked_at

    async def _claim(self) -> tuple[int, list[Claimed]]:
        outbox, limits = self._outbox, self._outbox.limits
        start_by = clock.monotonic() + limits.lease / 1_000 - self._send_s
        async with outbox.begin() as transaction:
            switches = await transaction.switches()
            if not may_run(self._name, switches):
                return 0, []
            now = await outbox.now(transaction)
            found = await transaction.lock_pending(self._name, limit=self._batch, without=stopped_rules(switches))
            moves = [(row, checks.sealed, check(row, checks, now=now, limits=limits)) for row, checks in found]
            going = [(row, sealed) for row, sealed, move in moves if move.to is State.SENDING]
            first = [row.command for row, _ in going if row.attempt_no == 0]
            served = {command.command_id for command in first} - await transaction.enter_ledger(first)
            stopped = [(row, move) for row, _, move in moves if move.to is not State.SENDING]
            stopped += [(row, SERVED) for row, _ in going if row.command.command_id in served]
            await outbox.settle_all(transaction, stopped)
            going = [(row, sealed) for row, sealed in going if row.command.command_id not in served]
            await transaction.lease([row.command.command_id for row, _ in going], lease_ms=limits.lease)
        # Committed: only now may a byte leave.
        return len(found), [Claimed(row=_leased(row), sealed=sealed, start_by=start_by) for row, sealed in going]

    async def _send(self, claimed: Claimed) -> tuple[Row, Move]:
        outcome = await self._outcome(claimed)
        return claimed.row, after_send(outcome, claimed.row, wall=clock.now_ms(), limits=self._outbox.limits)

    async def _note(self, moves: list[tuple[Row, Move]]) -> None:
        async with self._outbox.begin() as transaction:
            settled = await self._outbox.settle_all(transaction, moves)
        for row, _ in moves:
            if row.command.command_id not in settled:
                LOG.warning("answer came after the lease", command_id=row.command.command_id, attempt=row.attempt_no)

    async def _outcome(self, claimed: Claimed) -> Outcome:
        try:
            outbound = self._writer.outbound(claimed.row.command, claimed.sealed)
        except UnsendableError as error:
            return RejectMessage(str(error))
        if clock.monotonic() > claimed.start_by:
            return Retry(0, "lease-nearly-over")
        outcome: Outcome = Unknown("send-timeout")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._send_s):
                outcome = await self._channel.send(outbound)
        self._meter.answered(self._name, "send", outcome)
        return outcome


def _leased(row: Row) -> Row:
    return msgspec.structs.replace(row, state=State.SENDING, attempt_no=row.attempt_no + 1)
