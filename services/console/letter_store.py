"""Letters and the audit in PostgreSQL: search, counts, one, what was done; knows tables, opens no seal and sends nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from services.console.letters import Letter, State
from services.console.tables import letter, letter_action

Action = Literal["opened", "replaying", "replayed", "refused", "dismissed"]
SETTLING: Final = ("replayed", "dismissed")
"""After these a letter is not open any more, until it comes again."""
MOST: Final = 200
"""Letters of one page."""
MOST_REASONS: Final = 50
SHORTEST_PREFIX: Final = 6
_SHOWN: Final = tuple(column for column in letter.columns if column.name != "sealed")


class CursorError(ValueError):
    """`after` was not given by an earlier page."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters; empty means any."""

    topic: str = ""
    service: str = ""
    reason: str = ""
    """A part of the reason, in either case."""
    source: str = ""
    customer: str = ""
    state: State | Literal["all"] = "open"
    since: int = 0
    """Put aside at this instant or later, ms."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A letter without its sealed bytes."""

    id: str
    topic: str
    partition: int
    offset: int
    customer: str
    service: str
    source: str
    path: str
    reason: str
    arrived: int
    told_at: int
    history: bool
    """Told as history, which fires nothing."""
    state: State


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a search, latest first, and the whole search counted."""

    letters: tuple[Found, ...]
    after: str | None
    """Where the next page begins; None: this was the last."""
    total: int
    reasons: tuple[tuple[str, int], ...]
    """Letters by reason, the most frequent first, at most MOST_REASONS."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit."""

    action: str
    operator: str
    at: int
    detail: str


async def search(connection: AsyncConnection, wanted: Search, *, limit: int, after: str = "") -> Page:
    """The page after this cursor; CursorError if it is none."""
    settled, state = _states()
    joined = letter.outerjoin(settled, settled.c.letter == letter.c.id)
    where = _conditions(wanted, state)
    query = sa.select(*_shown(), state.label("state")).select_from(joined).where(*where)
    if after:
        query = query.where(sa.tuple_(letter.c.told_at, letter.c.id) < sa.tuple_(*_place(after)))
    rows = (
        await connection.execute(query.order_by(letter.c.told_at.desc(), letter.c.id.desc()).limit(limit + 1))
    ).all()
    number = sa.func.count()
    counted = sa.select(letter.c.reason, number).select_from(joined).where(*where).group_by(letter.c.reason)
    reasons = (await connection.execute(counted.order_by(number.desc(), letter.c.reason).limit(MOST_REASONS))).all()
    total = await connection.scalar(sa.select(number).select_from(joined).where(*where))
    found = tuple(_found(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(
        letters=found,
        after=_cursor(found[-1]) if more else None,
        total=int(total or 0),
        reasons=tuple((row[0], row[1]) for row in reasons),
    )


async def ids(connection: AsyncConnection, wanted: Search, *, limit: int) -> list[str]:
    """Ids of the letters found, in the order in which their records stood."""
    settled, state = _states()
    joined = letter.outerjoin(settled, settled.c.letter == letter.c.id)
    order = (letter.c.arrived, letter.c.topic, letter.c.partition, letter.c.offset, letter.c.id)
    query = sa.select(letter.c.id).select_from(joined).where(*_conditions(wanted, state)).order_by(*order).limit(limit)
    return list((await connection.scalars(query)).all())


async def whole_id(connection: AsyncConnection, prefix: str) -> str | None:
    """The id that is, or alone begins with, these characters (at least SHORTEST_PREFIX); None if there is none."""
    begins = letter.c.id.startswith(prefix, autoescape=True) if len(prefix) >= SHORTEST_PREFIX else sa.false()
    same = letter.c.id == prefix
    query = sa.select(letter.c.id).where(same | begins).order_by(same.desc()).limit(2)
    named = list((await connection.scalars(query)).all())
    return prefix if prefix in named else named[0] if len(named) == 1 else None


async def one(connection: AsyncConnection, letter_id: str, *, lock: bool = False) -> tuple[Letter, State] | None:
    """The letter with its sealed bytes, and its state; `lock`: others wait until the transaction ends."""
    query = sa.select(letter).where(letter.c.id == letter_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        return None
    settled, state = _states()
    asked = sa.select(state).select_from(letter.outerjoin(settled, settled.c.letter == letter.c.id))
    stands: Any = await connection.scalar(asked.where(letter.c.id == letter_id))
    return Letter(*row), stands


async def history(connection: AsyncConnection, letter_id: str) -> tuple[Done, ...]:
    """What was done about it, in order."""
    query = sa.select(letter_action).where(letter_action.c.letter == letter_id).order_by(letter_action.c.number)
    return tuple(
        Done(action=row.action, operator=row.operator, at=row.at, detail=row.detail)
        for row in await connection.execute(query)
    )


async def record(
    connection: AsyncConnection, told: Letter, action: Action, *, operator: str, at: int, detail: str
) -> None:
    """Append to the audit."""
    await connection.execute(
        sa.insert(letter_action).values(
            letter=told.id, action=action, operator=operator, at=at, arrived=told.arrived, detail=detail
        )
    )


def _states() -> tuple[sa.Subquery, sa.Case[Any]]:
    """The latest settling action of each letter, and the state that follows: one that came again is open again."""
    settled = (
        sa.select(letter_action.c.letter, letter_action.c.action, letter_action.c.arrived)
        .where(letter_action.c.action.in_(SETTLING))
        .ext(distinct_on(letter_action.c.letter))
        .order_by(letter_action.c.letter, letter_action.c.number.desc())
        .subquery("settled")
    )
    stands = sa.and_(settled.c.action.is_not(None), settled.c.arrived >= letter.c.arrived)
    return settled, sa.case((stands, settled.c.action), else_="open")


def _conditions(wanted: Search, state: sa.Case[Any]) -> Sequence[sa.ColumnElement[bool]]:
    same = {
        letter.c.topic: wanted.topic,
        letter.c.service: wanted.service,
        letter.c.source: wanted.source,
        letter.c.customer: wanted.customer,
    }
    found = [column == _stored(value) for column, value in same.items() if value]
    if wanted.reason:
        found.append(letter.c.reason.icontains(_stored(wanted.reason), autoescape=True))
    if wanted.since:
        found.append(letter.c.told_at >= wanted.since)
    if wanted.state != "all":
        found.append(state == wanted.state)
    return found


def _stored(value: str) -> str:
    """As the projector stored it."""
    return value.replace("\0", "\ufffd")


def _shown() -> tuple[sa.Column[Any], ...]:
    return tuple(column for column in _SHOWN if column.name != "key")


def _found(row: Any) -> Found:
    return Found(**dict(row._mapping))  # noqa: SLF001 (SQLAlchemy's public name for it)


def _cursor(found: Found) -> str:
    return base64.urlsafe_b64encode(f"{found.told_at} {found.id}".encode()).decode().rstrip("=")


def _place(after: str) -> tuple[int, str]:
    try:
        told_at, letter_id = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode().split(" ", 1)
        return int(told_at), letter_id
    except (binascii.Error, ValueError):
        raise CursorError("after: must be what an earlier page gave") from None
