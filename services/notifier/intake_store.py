"""Writes a batch of read records to PostgreSQL; knows its tables, decides nothing."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifier.intake import Batch, Contact
from services.notifier.rows import db_now, row_columns, row_of
from services.notifier.silence import before_erasure, erased_until, forget, write_erasures, write_verdicts
from services.notifier.state import Row, State
from services.notifier.tables import (
    cancellation,
    contact_point,
    logical_clock,
    outbox,
    receipt,
    stream_position,
)
from shared.kafka import projector


async def read_positions(connection: AsyncConnection) -> dict[tuple[str, int], tuple[int, int]]:
    """Next offset to read and balance of poison, by topic and partition, as the last committed batch left them."""
    stored = await projector.read_positions(connection, stream_position)
    return {place: (row.next_offset, row.balance) for place, row in stored.items()}


class Stopped(NamedTuple):
    """Pending commands that the batch ends, locked."""

    cancelled: list[Row]
    forgotten: list[Row]
    """Of persons who were erased."""


async def write(connection: AsyncConnection, batch: Batch) -> Stopped:
    """Write everything but the dead letters."""
    await _write_commands(connection, batch)
    await write_verdicts(connection, batch.silences)
    await write_erasures(connection, batch.forgotten)
    await _write_contacts(connection, batch)
    forgotten = await _forget(connection, batch)
    if batch.receipts:
        await connection.execute(
            insert(receipt).on_conflict_do_nothing(),
            [
                {"provider": line.provider, "ref": line.ref or line.command_id, "status": line.status}
                | {"command_id": line.command_id, "reason": line.reason}
                for line in batch.receipts
            ],
        )
    if batch.logical_now:
        later = logical_clock.c.now_ms < batch.logical_now
        await connection.execute(sa.update(logical_clock).where(later).values(now_ms=batch.logical_now))
    await _write_positions(connection, batch)
    cancelled = await _cancelled(connection, batch)
    gone = {row.command.command_id for row in forgotten}
    return Stopped([row for row in cancelled if row.command.command_id not in gone], forgotten)


async def _forget(connection: AsyncConnection, batch: Batch) -> list[Row]:
    """What the batch erases, and what it brings once more of those who were erased before."""
    commands = [command for command, _ in batch.commands.values()]
    erased = await erased_until(connection, [command.customer for command in commands]) if commands else {}
    return await forget(connection, before_erasure(commands, erased) | batch.forgotten)


async def _write_commands(connection: AsyncConnection, batch: Batch) -> None:
    if not batch.commands:
        return
    now = int(await connection.scalar(sa.select(db_now())) or 0)
    rows = [
        {
            "command_id": command.command_id,
            "customer": command.customer,
            "rule": command.rule,
            "channel": command.channel,
            "purpose": command.purpose,
            "alias": command.alias,
            "field": command.field,
            "payload": raw,
            "send_by": command.send_by,
            "created_at": now,
            "updated_at": now,
        }
        for command, raw in batch.commands.values()
    ]
    await connection.execute(insert(outbox).on_conflict_do_nothing(), rows)


async def _write_contacts(connection: AsyncConnection, batch: Batch) -> None:
    if batch.erased:
        old = (contact_point.c.record_key == sa.bindparam("key")) & (contact_point.c.at <= sa.bindparam("until"))
        gone = [{"key": key, "until": until} for key, until in sorted(batch.erased.items())]
        await connection.execute(sa.delete(contact_point).where(old), gone)
    if not batch.contacts:
        return
    erased = await erased_until(connection, [alias for alias, _ in batch.contacts])
    held = [held for (alias, _), held in batch.contacts.items() if held.point.at > erased.get(alias, -1)]
    if not held:
        return
    put = insert(contact_point)
    put = put.on_conflict_do_update(
        index_elements=["alias", "field"],
        set_={name: put.excluded[name] for name in ("sealed", "at", "record_key")},
    )
    await connection.execute(put, [_contact(each) for each in held])


def _contact(held: Contact) -> dict[str, object]:
    point = held.point
    return {
        "alias": point.alias,
        "field": point.field,
        "sealed": point.sealed,
        "at": point.at,
        "record_key": held.record_key,
    }


async def _write_positions(connection: AsyncConnection, batch: Batch) -> None:
    rows = [
        {"topic": topic, "partition": number, "next_offset": offset, "balance": batch.balances.get((topic, number), 0)}
        for (topic, number), offset in sorted(batch.positions.items())
    ]
    await projector.move_positions(connection, stream_position, rows)


async def _cancelled(connection: AsyncConnection, batch: Batch) -> list[Row]:
    if not batch.cancellations:
        return []
    rows = [
        {"command_id": each.command_id, "reason": each.reason, "at": each.decided_at}
        for each in batch.cancellations.values()
    ]
    await connection.execute(insert(cancellation).on_conflict_do_nothing(), rows)
    query = (
        sa.select(*row_columns())
        .where(outbox.c.command_id.in_(batch.cancellations), outbox.c.state == State.PENDING)
        .with_for_update()
    )
    return [row_of(found) for found in await connection.execute(query)]
