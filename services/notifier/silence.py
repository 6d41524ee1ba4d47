"""Who must hear nothing, and who must be forgotten: every statement about both; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifier.rows import row_columns, row_of
from services.notifier.state import Row, State
from services.notifier.tables import contact_point, erasure, outbox, receipt, send_attempt, silence
from shared.contract.codec import encode
from shared.contract.commands import SendMessage

STILL_ASKED = frozenset({State.SENDING, State.UNKNOWN, State.AWAITING_STAFF})
"""States in which the provider's reference is needed to find out what became of a message."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one id hears of one purpose by one channel, as it was told."""

    silent: bool
    reason: str
    decided_at: int
    number: int

    @property
    def place(self) -> tuple[int, int]:
        """The larger holds, in whichever order they come."""
        return self.decided_at, self.number


Verdicts = Mapping[tuple[str, str, str], Verdict]
"""By id, channel, purpose."""


async def write_verdicts(connection: AsyncConnection, verdicts: Verdicts) -> None:
    """An older one never takes the place of a newer one."""
    if not verdicts:
        return
    put = insert(silence)
    columns = ("silent", "reason", "decided_at", "number")
    put = put.on_conflict_do_update(
        index_elements=["id", "channel", "purpose"],
        set_={name: put.excluded[name] for name in columns},
        where=sa.tuple_(silence.c.decided_at, silence.c.number)
        < sa.tuple_(put.excluded.decided_at, put.excluded.number),
    )
    rows = [
        dict(zip(("id", "channel", "purpose"), key, strict=True)) | msgspec.structs.asdict(verdict)
        for key, verdict in sorted(verdicts.items())
    ]
    await connection.execute(put, rows)


def reason_of_silence() -> sa.ScalarSelect[str]:
    """Within a query over the outbox: why the command's customer must not hear of it; NULL if he may."""
    return (
        sa.select(silence.c.reason)
        .where(
            silence.c.id.in_([outbox.c.customer, outbox.c.alias]),
            silence.c.channel.in_(["all", outbox.c.channel]),
            silence.c.purpose.in_(["all", outbox.c.purpose]),
            silence.c.silent,
        )
        .order_by(silence.c.reason.desc())
        .limit(1)
        .scalar_subquery()
    )


async def erased_until(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, int]:
    """Of these ids those that were erased, with the instant up to which."""
    found = await connection.execute(sa.select(erasure).where(erasure.c.id.in_(sorted(set(ids)))))
    return {row.id: row.erased_at for row in found}


async def write_erasures(connection: AsyncConnection, erased: Mapping[str, int]) -> None:
    """Remember who was erased, and drop the addresses that were sealed up to then."""
    if not erased:
        return
    put = insert(erasure)
    later = sa.func.greatest(erasure.c.erased_at, put.excluded.erased_at)
    put = put.on_conflict_do_update(index_elements=["id"], set_={"erased_at": later})
    await connection.execute(put, [{"id": each, "erased_at": until} for each, until in sorted(erased.items())])
    for each, until in sorted(erased.items()):
        old = (contact_point.c.alias == each) & (contact_point.c.at <= until)
        await connection.execute(sa.delete(contact_point).where(old))


async def forget(connection: AsyncConnection, erased: Mapping[str, int]) -> list[Row]:
    """Empty the commands that were decided up to the erasure; those still pending are returned, locked.

    Of a command stay rule, trigger key, channel and state, by which it is never sent again.
    """
    pending: list[Row] = []
    for each, until in sorted(erased.items()):
        query = sa.select(*row_columns()).where(outbox.c.customer == each).with_for_update()
        rows = [row_of(found) for found in await connection.execute(query)]
        gone = [row for row in rows if row.command.decided_at <= until]
        for row in gone:
            await _empty(connection, row)
        if gone:
            await _drop_traces(connection, gone)
        pending += [row for row in gone if row.state is State.PENDING]
    return pending


async def _empty(connection: AsyncConnection, row: Row) -> None:
    bare = encode(msgspec.structs.replace(row.command, variables={}, guide=""))
    values: dict[str, object] = {"payload": bare}
    if row.state not in STILL_ASKED:
        values["provider_ref"] = None
    await connection.execute(sa.update(outbox).where(outbox.c.command_id == row.command.command_id).values(values))


async def _drop_traces(connection: AsyncConnection, rows: list[Row]) -> None:
    settled = [row for row in rows if row.state not in STILL_ASKED]
    commands = [row.command.command_id for row in settled]
    refs = [row.provider_ref for row in settled if row.provider_ref]
    await connection.execute(
        sa.update(send_attempt).where(send_attempt.c.command_id.in_(commands)).values(provider_ref=None)
    )
    told = receipt.c.command_id.in_(commands) | receipt.c.ref.in_(refs)
    await connection.execute(sa.delete(receipt).where(told))


def before_erasure(commands: Iterable[SendMessage], erased: Mapping[str, int]) -> dict[str, int]:
    """The erased customers about whom one of these commands was decided before the erasure: it came once more."""
    found = {command.customer for command in commands if command.decided_at <= erased.get(command.customer, -1)}
    return {customer: erased[customer] for customer in sorted(found)}
