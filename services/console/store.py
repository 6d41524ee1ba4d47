"""The console's tables in PostgreSQL: every statement that writes them; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.console.projection import Known, Rows, project
from services.console.records import Batch, Decision, Message, Positions, Standing
from services.console.tables import (
    COUNTS,
    change_mark,
    consent,
    customer,
    decision,
    erasure,
    event_second,
    letter,
    logical_clock,
    message,
    stream_position,
)
from shared.contract.topics import DEAD_LETTERS
from shared.kafka import projector
from shared.telemetry.meters import UNSEEN, Counter

WRITER_LOCK: Final = 0x4855_4954_434F
"""Advisory lock: one batch at a time, also while a rebalance lets two projectors overlap."""
KEPT_SECONDS: Final = 900
"""How long the events of one second are kept by themselves."""
KEPT_LETTERS_MS: Final = int(DEAD_LETTERS.config["retention.ms"])
"""As long as their topics keep them: sealed contents are not kept for ever."""


def connect(database_url: str, *, connections: int) -> AsyncEngine:
    """An engine with a pool of this many connections; opens none yet."""
    # An error of the database is logged, and must not show what it was about.
    return create_async_engine(database_url, pool_size=connections, max_overflow=0, hide_parameters=True)


class Store:
    """Takes batches: rows, amounts and positions in one transaction."""

    def __init__(self, engine: AsyncEngine, written: Counter | None = None) -> None:
        """`written` counts rows by table, once they are committed."""
        self._engine = engine
        self._written = written or UNSEEN.counter("huitou_projected_rows_total")

    async def positions(self) -> dict[tuple[str, int], int]:
        """Next offset to read, by topic and partition."""
        async with self._engine.connect() as connection:
            return await _positions(connection)

    async def take(self, read: Callable[[Positions], Batch]) -> Batch:
        """Write what `read` makes of the positions that are stored, and move them; all of it or nothing."""
        async with self._engine.begin() as connection:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))
            batch = read(await _positions(connection))
            rows = project(batch, await _known(connection, batch)) if batch.positions else None
            if rows is not None:
                await _write(connection, rows)
                await _put_letters(connection, batch)
                await _move_on(connection, batch)
        if rows is not None:
            for table, number in _sizes(rows, batch):
                self._written.labels(table.name).inc(number)
        return batch

    async def forget(self, before_ms: int) -> None:
        """Drop the single seconds that are long past (totals stay), and letters that the log has forgotten."""
        async with self._engine.begin() as connection:
            gone = letter.c.told_at < before_ms - KEPT_LETTERS_MS
            await connection.execute(sa.delete(letter).where(gone))
            old = event_second.c.second < before_ms // 1000 - KEPT_SECONDS
            await connection.execute(sa.delete(event_second).where(old))


def _sizes(rows: Rows, batch: Batch) -> list[tuple[sa.Table, int]]:
    """Rows written, by table; those of positions and erasures apart."""
    replaced = [
        (customer, len(rows.customers)),
        (change_mark, len(rows.marks)),
        (message, len(rows.messages)),
        (decision, len(rows.decisions)),
        (consent, len(rows.consents)),
        (letter, len(batch.letters)),
    ]
    return replaced + [(COUNTS[name], len(amounts)) for name, amounts in rows.amounts.items()]


async def _positions(connection: AsyncConnection) -> dict[tuple[str, int], int]:
    stored = await projector.read_positions(connection, stream_position)
    return {place: row.next_offset for place, row in stored.items()}


async def _known(connection: AsyncConnection, batch: Batch) -> Known:
    customers = await _stored(connection, customer, batch.customers)
    marks = await _stored(connection, change_mark, batch.changes)
    messages = await _stored(connection, message, batch.messages)
    decisions = await _stored(connection, decision, batch.decisions)
    about = {*batch.erased, *(one.customer for one in batch.decisions.values())}
    erased = await _stored(connection, erasure, {*about, *(one.customer for one in batch.consents)})
    return Known(
        {key: Standing(*values) for key, values in customers.items()},
        {key: values[0] for key, values in marks.items()},
        {key: Message(*values) for key, values in messages.items()},
        {key: Decision(key, *values) for key, values in decisions.items()},
        {key: int(values[0]) for key, values in erased.items()},
    )


async def _stored(connection: AsyncConnection, table: sa.Table, keys: Collection[str]) -> dict[str, Sequence[Any]]:
    """Key → the other columns, of those keys that are there."""
    if not keys:
        return {}
    (key,) = table.primary_key.columns
    query = sa.select(table).where(key == sa.any_(sa.literal(list(keys), ARRAY(sa.Text))))
    return {row[0]: row[1:] for row in await connection.execute(query)}


async def _write(connection: AsyncConnection, rows: Rows) -> None:
    await _put(connection, customer, [(key, *row) for key, row in rows.customers.items()])
    await _put(connection, change_mark, list(rows.marks.items()))
    await _put(connection, message, [(key, *row) for key, row in rows.messages.items()])
    await _put(connection, decision, rows.decisions)
    await _put(connection, consent, rows.consents)
    await _forget(connection, rows.erased)
    if rows.gone:
        await connection.execute(sa.delete(customer).where(customer.c.customer.in_(rows.gone)))
    for name, amounts in rows.amounts.items():
        await _add(connection, COUNTS[name], amounts)


async def _put_letters(connection: AsyncConnection, batch: Batch) -> None:
    """Insert those that are new; of one told again only the arrival may be later."""
    statement = insert(letter)
    later = sa.func.greatest(letter.c.arrived, statement.excluded.arrived)
    told_again = statement.on_conflict_do_update(
        index_elements=[letter.c.id],
        set_={"arrived": later},
        where=letter.c.arrived < statement.excluded.arrived,
    )
    await _execute(connection, told_again, letter, list(batch.letters.values()))


async def _forget(connection: AsyncConnection, erased: Mapping[str, int]) -> None:
    """Consents and letters up to the erasure go; decisions up to it are nobody's."""
    statement = insert(erasure)
    later = sa.func.greatest(erasure.c.erased_at, statement.excluded.erased_at)
    statement = statement.on_conflict_do_update(index_elements=["customer"], set_={"erased_at": later})
    await _execute(connection, statement, erasure, list(erased.items()))
    for each, until in sorted(erased.items()):
        await connection.execute(sa.delete(consent).where(consent.c.customer == each, consent.c.at <= until))
        await connection.execute(sa.delete(letter).where(letter.c.customer == each, letter.c.arrived <= until))
        theirs = (decision.c.customer == each) & (decision.c.decided_at <= until)
        await connection.execute(sa.update(decision).where(theirs).values(customer=""))


async def _put(connection: AsyncConnection, table: sa.Table, rows: Collection[Sequence[Any]]) -> None:
    """Insert the rows, given in the order of the columns, or put them in place of those with their keys."""
    statement = insert(table)
    keys = list(table.primary_key.columns)
    fresh = {column.name: statement.excluded[column.name] for column in table.columns if column not in keys}
    await _execute(connection, statement.on_conflict_do_update(index_elements=keys, set_=fresh), table, rows)


async def _add(
    connection: AsyncConnection, table: sa.Table, amounts: Mapping[tuple[object, ...], tuple[int, ...]]
) -> None:
    """Add to the columns that are no key."""
    statement = insert(table)
    keys = list(table.primary_key.columns)
    sums = {column.name: column + statement.excluded[column.name] for column in table.columns if column not in keys}
    rows = [(*key, *added) for key, added in amounts.items()]
    await _execute(connection, statement.on_conflict_do_update(index_elements=keys, set_=sums), table, rows)


async def _execute(
    connection: AsyncConnection, statement: sa.Executable, table: sa.Table, rows: Collection[Sequence[Any]]
) -> None:
    if rows:
        names = table.columns.keys()
        await connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


async def _move_on(connection: AsyncConnection, batch: Batch) -> None:
    if batch.logical_now:
        later = logical_clock.c.now_ms < batch.logical_now
        await connection.execute(sa.update(logical_clock).where(later).values(now_ms=batch.logical_now))
    rows = [
        {"topic": topic, "partition": partition, "next_offset": offset}
        for (topic, partition), offset in batch.positions.items()
    ]
    await projector.move_positions(connection, stream_position, rows)
