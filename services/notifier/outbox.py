"""Takes commands from state to state: legality, the row, its facts, in one transaction; decides nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from services.notifier.facts import reports
from services.notifier.logic import require_legal
from services.notifier.state import Limits, Move, Row, State
from services.notifier.store import Store, Transaction
from shared import clock
from shared.contract.commands import SendMessage
from shared.log import Log

LOG = Log(__name__)


class Outbox:
    """What workers, reconciler and reader share: the store, the limits and the logical time."""

    def __init__(self, store: Store, limits: Limits, *, scenario: bool) -> None:
        self._store = store
        self._scenario = scenario
        self.limits = limits

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction, committed at the end of the block."""
        return self._store.begin()

    async def now(self, transaction: Transaction) -> int:
        """Logical now: wall time; with a scenario the largest `decided_at` read so far."""
        return await transaction.logical_now() if self._scenario else clock.now_ms()

    async def settle(self, transaction: Transaction, row: Row, move: Move) -> bool:
        """As settle_all, for one: whether the move was made."""
        return bool(await self.settle_all(transaction, [(row, move)]))

    async def settle_all(self, transaction: Transaction, moves: Sequence[tuple[Row, Move]]) -> frozenset[str]:
        """Make moves and leave the facts they give; ids of those made. A row that has moved on stays as it is."""
        for row, move in moves:
            require_legal(row.state, move.to)
        if not moves:
            return frozenset()
        moved = await transaction.move(moves)
        made = [(row, move) for row, move in moves if row.command.command_id in moved]
        ended = [(row, move) for row, move in made if row.state is State.SENDING]
        if ended:
            await transaction.end_attempts(ended)
        for row, move in made:
            await self._consequences(transaction, row.command, move)
        changed = [(row, move) for row, move in made if move.to is not row.state]
        if changed:
            at = await self.now(transaction)
            told = [fact for row, move in changed for fact in reports(row.command, move.to, move.reason, at)]
            await transaction.publish(told)
        return moved

    async def _consequences(self, transaction: Transaction, command: SendMessage, move: Move) -> None:
        if move.suppress and command.field:
            await transaction.suppress(command, move.reason)
        if move.pause and await transaction.switch_off(f"channel:{command.channel}", move.reason):
            LOG.error("channel stopped until a person lets it go on", channel=command.channel, reason=move.reason)
