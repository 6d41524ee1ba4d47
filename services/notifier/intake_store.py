"""Writes a batch of read records to PostgreSQL; knows its tables, decides nothing."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifier.intake import Batch, Contact
from services.notifier.rows import db_now, row_columns, row_of
from services.notifier.state import Row, State
from services.notifier.tables import (
    cancellation,
    contact_point,
    logical_clock,
    outbox,
    receipt,
    stream_position,
)


async def read_positions(connection: AsyncConnection) -> dict[tuple[str, int], tuple[int, int]]:
    """Next offset to read and balance of poison, by topic and partition, as the last committed batch left them."""
    rows = await connection.execute(sa.select(stream_position))
    return {(row.topic, row.partition): (row.next_offset, row.balance) for row in rows}


async def write(connection: AsyncConnection, batch: Batch) -> list[Row]:
    """Write everything but the dead letters; returns the pending commands that the batch cancels, locked."""
    await _write_commands(connection, batch)
    await _write_contacts(connection, batch)
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
    return await _cancelled(connection, batch)


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
        await connection.execute(sa.delete(contact_point).where(contact_point.c.record_key.in_(batch.erased)))
    if not batch.contacts:
        return
    put = insert(contact_point)
    put = put.on_conflict_do_update(
        index_elements=["alias", "field"],
        set_={name: put.excluded[name] for name in ("sealed", "at", "record_key")},
    )
    await connection.execute(put, [_contact(held) for held in batch.contacts.values()])


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
    put = insert(stream_position)
    stored, new = stream_position.c, put.excluded
    # A member that has lost the partition without knowing must not set the position back.
    ahead = new.next_offset >= stored.next_offset
    put = put.on_conflict_do_update(
        index_elements=["topic", "partition"],
        set_={
            "next_offset": sa.func.greatest(stored.next_offset, new.next_offset),
            "balance": sa.case((ahead, new.balance), else_=stored.balance),
        },
    )
    rows = [
        {"topic": topic, "partition": number, "next_offset": offset, "balance": batch.balances.get((topic, number), 0)}
        for (topic, number), offset in sorted(batch.positions.items())
    ]
    await connection.execute(put, rows)


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
