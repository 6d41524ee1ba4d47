"""How a command is read from the outbox; knows columns and shapes, makes no statement of its own."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from services.notifier.state import Row, State
from services.notifier.tables import outbox
from shared.contract.commands import SendMessage

decode_command = msgspec.json.Decoder(SendMessage).decode


def db_now() -> sa.ColumnElement[int]:
    """The database's clock in ms, at the start of the transaction: leases and waits are measured by it alone."""
    return sa.cast(sa.func.floor(sa.extract("epoch", sa.func.now()) * 1_000), sa.BigInteger)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's receipt that found its command."""

    provider: str
    ref: str
    status: Literal["delivered", "failed"]
    reason: str
    row: Row


def row_columns() -> tuple[sa.ColumnElement[Any], ...]:
    """What `row_of` needs of the outbox."""
    return (
        outbox.c.payload,
        outbox.c.state,
        outbox.c.attempt_no,
        outbox.c.look_ups,
        outbox.c.possible_duplicate,
        outbox.c.provider_ref,
        outbox.c.started_at,
        (db_now() - outbox.c.created_at).label("age_ms"),
        (db_now() - outbox.c.first_started_at).label("since_start_ms"),
    )


def row_of(found: Any) -> Row:
    """A command as read by a query over `row_columns`."""
    return Row(
        command=decode_command(found.payload),
        state=State(found.state),
        attempt_no=found.attempt_no,
        look_ups=found.look_ups,
        possible_duplicate=found.possible_duplicate,
        age_ms=found.age_ms,
        since_start_ms=found.since_start_ms or 0,
        started_at=found.started_at or 0,
        provider_ref=found.provider_ref,
    )
