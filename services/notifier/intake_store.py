"""Writes a batch of read records to PostgreSQL; knows its tables, decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifier import addresses
from services.notifier.addresses import Held, Told
from services.notifier.facts import Publication
from services.notifier.intake import Batch
from services.notifier.rows import db_now, row_columns, row_of
from services.notifier.silence import before_erasure, erased_until, forget, write_erasures, write_verdicts
from services.notifier.state import Row, State
from services.notifier.tables import (
    cancellation,
    contact_gone,
    contact_point,
    logical_clock,
    outbox,
    receipt,
    stream_position,
)
from shared.contract.contact_points import ContactPoint
from shared.contract.topics import CONTACT_POINTS
from shared.kafka import projector


async def read_positions(connection: AsyncConnection) -> dict[tuple[str, int], tuple[int, int]]:
    """Next offset to read and balance of poison, by topic and partition, as the last committed batch left them."""
    stored = await projector.read_positions(connection, stream_position)
    return {place: (row.next_offset, row.balance) for place, row in stored.items()}


class Written(NamedTuple):
    """What follows from a batch: pending commands that it ends, locked, and records to publish."""

    cancelled: list[Row]
    forgotten: list[Row]
    """Of persons who were erased."""
    again: list[Publication]
    """Addresses and nulls that hold against what the batch brought."""


async def write(connection: AsyncConnection, batch: Batch) -> Written:
    """Write everything but the dead letters."""
    await _write_commands(connection, batch)
    await write_verdicts(connection, batch.silences)
    await write_erasures(connection, batch.forgotten)
    again = await _write_addresses(connection, batch)
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
    return Written([row for row in cancelled if row.command.command_id not in gone], forgotten, again)


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


async def _write_addresses(connection: AsyncConnection, batch: Batch) -> list[Publication]:
    if not batch.addresses:
        return []
    settled = addresses.settle(batch.addresses, await _held(connection, batch.addresses))
    if settled.emptied:
        await connection.execute(sa.delete(contact_point).where(contact_point.c.record_key.in_(settled.emptied)))
    if settled.gone:
        old = (contact_point.c.record_key == sa.bindparam("key")) & (contact_point.c.at <= sa.bindparam("reach"))
        gone = sorted(settled.gone.items())
        await connection.execute(sa.delete(contact_point).where(old), [{"key": key, "reach": at} for key, at in gone])
        rows = [{"record_key": key, "at": at} for key, at in gone]
        await connection.execute(_upsert(contact_gone, ("record_key",), ("at",)), rows)
    if settled.points:
        put = _upsert(contact_point, ("alias", "field"), ("sealed", "at", "record_key"))
        points = [(each.point, each.key) for each in settled.points if each.point is not None]
        await connection.execute(put, [msgspec.structs.asdict(point) | {"record_key": key} for point, key in points])
    return [addresses.again(read, right) for read, right in settled.again]


def _upsert(table: sa.Table, keys: tuple[str, ...], columns: tuple[str, ...]) -> Insert:
    put = insert(table)
    return put.on_conflict_do_update(index_elements=keys, set_={name: put.excluded[name] for name in columns})


async def _held(connection: AsyncConnection, told: list[Told]) -> Held:
    """What the database knows of these records' keys and customers; who else writes the same partitions waits."""
    numbers = {each.where[0] for each in told}
    mine = (stream_position.c.topic == CONTACT_POINTS.name) & stream_position.c.partition.in_(numbers)
    await connection.execute(
        sa.select(stream_position.c.partition).where(mine).order_by(stream_position.c.partition).with_for_update()
    )
    keys = _texts({each.key for each in told})
    places = {(each.point.alias, each.point.field) for each in told if each.point is not None}
    aliases = {alias for alias, _ in places}
    points = await connection.execute(
        sa.select(contact_point)
        .where(contact_point.c.record_key == sa.any_(keys))
        .union(sa.select(contact_point).where(contact_point.c.alias == sa.any_(_texts(aliases))))
    )
    gone = await connection.execute(sa.select(contact_gone).where(contact_gone.c.record_key == sa.any_(keys)))
    return Held(
        points={(row.alias, row.field): _told(row) for row in points},
        gone={row.record_key: row.at for row in gone},
        erased=await erased_until(connection, aliases),
    )


def _texts(texts: Iterable[str]) -> sa.BindParameter[Any]:
    """One parameter, however many: a list of a thousand takes longer to plan than to read."""
    return sa.literal(sorted(texts), ARRAY(sa.Text))


def _told(row: sa.Row[Any]) -> Told:
    point = ContactPoint(alias=row.alias, field=row.field, sealed=row.sealed, at=row.at)
    return Told(key=row.record_key, at=row.at, point=point)


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
