"""The outbox in PostgreSQL: every statement about commands, attempts, ledger and publications; decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.notifier.facts import Publication
from services.notifier.guards import ALL_ON, Guard, Off
from services.notifier.rows import Receipt, db_now, row_columns, row_of
from services.notifier.silence import reason_of_silence
from services.notifier.state import Checks, Move, Row, State
from services.notifier.tables import (
    cancellation,
    contact_point,
    kill_switch,
    logical_clock,
    outbox,
    publication,
    receipt,
    send_attempt,
    send_ledger,
    suppression,
)
from shared.contract.commands import SendMessage

PUBLISHER_LOCK = 0x4855_4954_4F56
"""Advisory lock: one publisher at a time, so that a customer's facts keep their order."""


class Store:
    """Gives transactions."""

    def __init__(self, engine: AsyncEngine, *, off: Off = ALL_ON) -> None:
        self._engine, self._off = engine, off

    @classmethod
    def connect(cls, database_url: str, *, connections: int, off: Off = ALL_ON) -> Store:
        """A store with a pool of this many connections; opens none yet. `off`: guards that a test takes out."""
        # An error of the database is logged, and must not show what it was about.
        engine = create_async_engine(database_url, pool_size=connections, max_overflow=0, hide_parameters=True)
        return cls(engine, off=off)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        """One transaction: committed at the end of the block, rolled back if it raises."""
        async with self._engine.begin() as connection:
            yield Transaction(connection, self._off)

    async def close(self) -> None:
        """Give the connections back."""
        await self._engine.dispose()


class Transaction:
    """The statements that workers, reconciler and publisher make inside one transaction."""

    def __init__(self, connection: AsyncConnection, off: Off = ALL_ON) -> None:
        self.connection, self._off = connection, off
        self._free = [State.PENDING, State.SENDING] if Guard.LEASE in off else [State.PENDING]

    async def logical_now(self) -> int:
        """The largest `decided_at` that was read so far."""
        return int(await self.connection.scalar(sa.select(logical_clock.c.now_ms)) or 0)

    async def switches(self) -> frozenset[str]:
        """Scopes of the kill switches that are on."""
        return frozenset(await self.connection.scalars(sa.select(kill_switch.c.scope)))

    async def any_pending(self, channels: Sequence[str]) -> bool:
        """Whether a command of these channels may be looked at now."""
        due = sa.exists().where(
            outbox.c.state.in_(self._free), outbox.c.channel.in_(channels), outbox.c.not_before <= db_now()
        )
        return bool(await self.connection.scalar(sa.select(due)))

    async def lock_pending(self, channel: str, *, limit: int, without: Collection[str]) -> list[tuple[Row, Checks]]:
        """Pending commands of a channel that may be looked at, locked; none of the rules `without`."""
        by_hand = (
            sa.select(suppression.c.reason)
            .where(
                suppression.c.customer.in_([outbox.c.customer, outbox.c.alias]),
                suppression.c.field.in_(["", outbox.c.field]),
            )
            .limit(1)
            .scalar_subquery()
        )
        silent = sa.func.coalesce(reason_of_silence(), by_hand)
        query = (
            sa.select(
                *row_columns(), contact_point.c.sealed, cancellation.c.reason.label("cancelled"), silent.label("silent")
            )
            .outerjoin(cancellation, cancellation.c.command_id == outbox.c.command_id)
            .outerjoin(
                contact_point, (contact_point.c.alias == outbox.c.alias) & (contact_point.c.field == outbox.c.field)
            )
            .where(outbox.c.state.in_(self._free), outbox.c.channel == channel, outbox.c.not_before <= db_now())
            .order_by(outbox.c.not_before)
            .limit(limit)
            .with_for_update(of=outbox, skip_locked=True)
        )
        if without:
            query = query.where(outbox.c.rule.not_in(without))
        return [
            (row_of(found), Checks(cancelled=found.cancelled, suppressed=found.silent, sealed=found.sealed))
            for found in await self.connection.execute(query)
        ]

    async def enter_ledger(self, commands: Sequence[SendMessage]) -> frozenset[str]:
        """Enter first attempts; ids of those whose place was free. The others were served before, at any time."""
        if not commands:
            return frozenset()
        rows = [
            {
                name: getattr(command, name)
                for name in ("rule", "trigger_key", "step", "position", "customer", "command_id")
            }
            | {"entered_at": db_now()}
            for command in commands
        ]
        entered = insert(send_ledger).values(rows).on_conflict_do_nothing().returning(send_ledger.c.command_id)
        free = frozenset(await self.connection.scalars(entered))
        return free if Guard.LEDGER not in self._off else frozenset(command.command_id for command in commands)

    async def lease(self, commands: Collection[str], *, lease_ms: int) -> None:
        """Mark locked pending commands as being sent, each with its next attempt."""
        if not commands:
            return
        leased = (
            sa.update(outbox)
            .where(outbox.c.command_id.in_(commands))
            .values(
                state=State.SENDING,
                reason="",
                attempt_no=outbox.c.attempt_no + 1,
                look_ups=0,
                lease_until=db_now() + lease_ms,
                started_at=db_now(),
                first_started_at=sa.func.coalesce(outbox.c.first_started_at, db_now()),
                updated_at=db_now(),
            )
            .returning(outbox.c.command_id, outbox.c.attempt_no, outbox.c.started_at)
            .cte("leased")
        )
        columns = ["command_id", "attempt_no", "started_at"]
        await self.connection.execute(insert(send_attempt).from_select(columns, sa.select(leased)))

    async def move(self, moves: Sequence[tuple[Row, Move]]) -> frozenset[str]:
        """Take commands from exactly the state and attempt of their rows; ids of those that nobody else had moved."""
        new = _as_table(moves)
        moved = await self.connection.scalars(
            sa.update(outbox)
            .where(
                outbox.c.command_id == new.c.command_id,
                outbox.c.state == new.c.before,
                outbox.c.attempt_no == new.c.attempt_no,
            )
            .values(
                state=new.c.state,
                reason=new.c.reason,
                not_before=db_now() + new.c.wait_ms,
                provider_ref=sa.func.coalesce(new.c.provider_ref, outbox.c.provider_ref),
                possible_duplicate=outbox.c.possible_duplicate | new.c.again,
                updated_at=db_now(),
            )
            .returning(outbox.c.command_id)
        )
        return frozenset(moved)

    async def end_attempts(self, moves: Sequence[tuple[Row, Move]]) -> None:
        """Note how attempts ended."""
        new = _as_table(moves)
        await self.connection.execute(
            sa.update(send_attempt)
            .where(send_attempt.c.command_id == new.c.command_id, send_attempt.c.attempt_no == new.c.attempt_no)
            .values(ended_at=db_now(), outcome=new.c.state, reason=new.c.reason, provider_ref=new.c.provider_ref)
        )

    async def lock_lapsed(self, *, limit: int) -> list[Row]:
        """Commands whose lease ran out while they were being sent, locked."""
        return await self._lock((outbox.c.state == State.SENDING) & (outbox.c.lease_until < db_now()), limit)

    async def lock_overdue(self, now: int, *, limit: int) -> list[Row]:
        """Pending commands that must not go any more at the logical instant `now`, locked."""
        return await self._lock((outbox.c.state == State.PENDING) & (outbox.c.send_by < now), limit)

    async def take_doubts(self, *, limit: int, hold_ms: int) -> list[tuple[Row, str | None]]:
        """Commands in doubt or awaiting staff that are due, with their address; held back from others for a time."""
        query = (
            sa.select(*row_columns(), contact_point.c.sealed)
            .outerjoin(
                contact_point, (contact_point.c.alias == outbox.c.alias) & (contact_point.c.field == outbox.c.field)
            )
            .where(
                outbox.c.state.in_([State.UNKNOWN, State.AWAITING_STAFF]),
                outbox.c.not_before <= db_now(),
            )
            .order_by(outbox.c.not_before)
            .limit(limit)
            .with_for_update(of=outbox, skip_locked=True)
        )
        found = [(row_of(each), each.sealed) for each in await self.connection.execute(query)]
        if found:
            await self.connection.execute(
                sa.update(outbox)
                .where(outbox.c.command_id.in_([row.command.command_id for row, _ in found]))
                .values(not_before=db_now() + hold_ms, look_ups=outbox.c.look_ups + 1)
            )
        return found

    async def lock_receipts(self, *, limit: int) -> list[Receipt]:
        """Receipts not applied yet whose command is known, the command locked."""
        by_id = (receipt.c.command_id != "") & (outbox.c.command_id == receipt.c.command_id)
        by_ref = (receipt.c.command_id == "") & (outbox.c.provider_ref == receipt.c.ref)
        query = (
            sa.select(
                *row_columns(), receipt.c.provider, receipt.c.ref, receipt.c.status, receipt.c.reason.label("why")
            )
            .join(receipt, by_id | by_ref)
            .where(receipt.c.applied.is_(sa.false()))
            .limit(limit)
            .with_for_update(of=outbox, skip_locked=True)
        )
        return [
            Receipt(provider=each.provider, ref=each.ref, status=each.status, reason=each.why, row=row_of(each))
            for each in await self.connection.execute(query)
        ]

    async def receipt_applied(self, found: Receipt) -> None:
        """Never look at this receipt again."""
        await self.connection.execute(
            sa.update(receipt)
            .where(receipt.c.provider == found.provider, receipt.c.ref == found.ref, receipt.c.status == found.status)
            .values(applied=True)
        )

    async def suppress(self, command: SendMessage, reason: str) -> None:
        """Silence the address that a command was sent to."""
        silenced = {"customer": command.alias, "field": command.field, "reason": reason, "at": db_now()}
        await self.connection.execute(insert(suppression).values(silenced).on_conflict_do_nothing())

    async def switch_off(self, scope: str, reason: str) -> bool:
        """Put a kill switch on until a person removes it; False: it was on."""
        off = {"scope": scope, "reason": reason, "at": db_now()}
        put = insert(kill_switch).values(off).on_conflict_do_nothing().returning(kill_switch.c.scope)
        return await self.connection.scalar(put) is not None

    async def publish(self, publications: Sequence[Publication]) -> None:
        """Leave records for the publisher."""
        if publications:
            await self.connection.execute(
                sa.insert(publication), [msgspec.structs.asdict(each) for each in publications]
            )

    async def waiting_publications(self, *, limit: int) -> list[tuple[int, Publication]]:
        """The oldest records the broker does not have, in order; nothing while another publisher is at work."""
        if not await self.connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(PUBLISHER_LOCK))):
            return []
        query = sa.select(publication).order_by(publication.c.id).limit(limit)
        names = Publication.__struct_fields__
        return [
            (each.id, Publication(**{name: getattr(each, name) for name in names}))
            for each in await self.connection.execute(query)
        ]

    async def published(self, ids: Collection[int]) -> None:
        """The broker has these: they need not wait any more."""
        await self.connection.execute(sa.delete(publication).where(publication.c.id.in_(ids)))

    async def _lock(self, condition: sa.ColumnElement[bool], limit: int) -> list[Row]:
        query = sa.select(*row_columns()).where(condition).limit(limit).with_for_update(skip_locked=True)
        return [row_of(found) for found in await self.connection.execute(query)]


def _as_table(moves: Sequence[tuple[Row, Move]]) -> sa.TableValuedAlias:
    """Moves as a table for UPDATE … FROM: one statement for any number of them, compiled once."""
    columns: list[tuple[str, type[sa.types.TypeEngine[Any]], list[Any]]] = [
        ("command_id", sa.Text, [row.command.command_id for row, _ in moves]),
        ("before", sa.Text, [row.state.value for row, _ in moves]),
        ("attempt_no", sa.BigInteger, [row.attempt_no for row, _ in moves]),
        ("state", sa.Text, [move.to.value for _, move in moves]),
        ("reason", sa.Text, [move.reason for _, move in moves]),
        ("wait_ms", sa.BigInteger, [move.wait_ms for _, move in moves]),
        ("provider_ref", sa.Text, [move.provider_ref for _, move in moves]),
        ("again", sa.Boolean, [move.again for _, move in moves]),
    ]
    lists = [sa.bindparam(None, values, type_=ARRAY(kind), unique=True) for _, kind, values in columns]
    named = [sa.column(name, kind) for name, kind, _ in columns]
    return sa.func.unnest(*lists).table_valued(*named, name="new").render_derived()
