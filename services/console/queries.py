"""Reads all that is shown in one transaction; knows the tables, not how anything looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.console.figures import (
    HISTORY_SECONDS,
    Cell,
    DecisionShown,
    Movement,
    Reading,
    deliveries,
    population,
    throughput,
)
from services.console.tables import (
    decision,
    decision_count,
    event_second,
    event_total,
    logical_clock,
    message,
    message_count,
    movement,
)
from services.console.tables import population as population_table

MOST_DECISIONS: Final = 200
FRESH_MS: Final = 700
"""One reading serves all who ask within this time: viewers cost nothing."""
SHORT_ID: Final = 8


class Queries:
    """Gives readings."""

    def __init__(self, engine: AsyncEngine, now_ms: Callable[[], int]) -> None:
        self._engine, self._now_ms = engine, now_ms
        self._lock = asyncio.Lock()
        self._latest: Reading | None = None

    async def reading(self) -> Reading:
        """What the tables say now, or said a moment ago."""
        async with self._lock:
            now = self._now_ms()
            if self._latest is None or not 0 <= now - self._latest.taken_at < FRESH_MS:
                async with self._engine.connect() as connection:
                    self._latest = await _read(connection, now)
            return self._latest


async def _read(connection: AsyncConnection, now: int) -> Reading:
    await connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    since = now // 1000 - HISTORY_SECONDS
    cells = await connection.execute(sa.select(population_table))
    moves = await connection.execute(sa.select(movement).order_by(movement.c.changes.desc()))
    totals = await connection.execute(sa.select(event_total).order_by(event_total.c.events.desc()))
    seconds = await connection.execute(sa.select(event_second).where(event_second.c.second >= since))
    counts = await connection.execute(sa.select(message_count))
    return Reading(
        taken_at=now,
        logical_now=int(await connection.scalar(sa.select(logical_clock.c.now_ms)) or 0),
        population=population(Cell(row[0], row[1], row[2], row[3], row[4], int(row[5])) for row in cells),
        movements=tuple(Movement(*row) for row in moves),
        throughput=throughput([(row[0], row[1]) for row in totals], [(row[0], row[1], row[2]) for row in seconds], now),
        messages=deliveries((row[0], row[1], row[2], row[3], row[4], row[5]) for row in counts),
        decisions=await _decisions(connection),
        verdicts=await _verdicts(connection),
    )


async def _decisions(connection: AsyncConnection) -> tuple[DecisionShown, ...]:
    order = decision.c.arrived.desc(), decision.c.partition.desc(), decision.c.offset.desc()
    latest = sa.select(decision).order_by(*order).limit(MOST_DECISIONS).subquery()
    query = (
        sa.select(latest, message.c.channel, message.c.state)
        .outerjoin(message, message.c.command_id == latest.c.command_id)
        .order_by(latest.c.arrived.desc(), latest.c.partition.desc(), latest.c.offset.desc())
    )
    return tuple(
        DecisionShown(
            id=row.id,
            customer=shortened(row.customer),
            rule=row.rule,
            verdict=row.verdict,
            reason=row.reason,
            detail=row.detail,
            until=row.until,
            effective_at=row.effective_at,
            decided_at=row.decided_at,
            channel=row.channel or "",
            state=row.state or "",
        )
        for row in await connection.execute(query)
    )


async def _verdicts(connection: AsyncConnection) -> tuple[tuple[str, str, int], ...]:
    decisions = sa.func.sum(decision_count.c.decisions)
    query = (
        sa.select(decision_count.c.verdict, decision_count.c.reason, decisions)
        .group_by(decision_count.c.verdict, decision_count.c.reason)
        .order_by(decisions.desc(), decision_count.c.verdict, decision_count.c.reason)
    )
    return tuple((row[0], row[1], int(row[2])) for row in await connection.execute(query))


def shortened(customer: str) -> str:
    """The first and last characters of an id: enough to compare, too little to be one."""
    return customer if len(customer) <= SHORT_ID + 1 else f"{customer[:4]}…{customer[-4:]}"
