"""Schema `notifier`: the outbox, its permanent ledger, and what the notifier must remember beside them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "notifier"
STATES = (
    "pending",
    "sending",
    "unknown",
    "awaiting_staff",
    "sent",
    "assumed_sent",
    "delivered",
    "failed",
    "expired",
    "suppressed",
    "cancelled",
    "abandoned",
)


def upgrade() -> None:
    """Create the schema and its tables."""
    op.execute(sa.schema.CreateSchema(SCHEMA))
    _outbox()
    _send_records()
    _checks()
    _streams()


def downgrade() -> None:
    """Drop the schema with all it holds."""
    op.execute(sa.schema.DropSchema(SCHEMA, cascade=True))


def _text(name: str, *, key: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=False, server_default=default)


def _number(name: str, *, key: bool = False, default: int | None = None) -> sa.Column[int]:
    default_text = None if default is None else str(default)
    return sa.Column(
        name, sa.BigInteger, primary_key=key, autoincrement=False, nullable=False, server_default=default_text
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        _text("command_id", key=True),
        _text("customer"),
        _text("rule"),
        _text("channel"),
        _text("alias", default=""),
        _text("field", default=""),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        _number("send_by"),
        _text("state", default="pending"),
        _text("reason", default=""),
        _number("attempt_no", default=0),
        _number("look_ups", default=0),
        sa.Column("possible_duplicate", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("lease_until", sa.BigInteger),
        _number("not_before", default=0),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("first_started_at", sa.BigInteger),
        sa.Column("provider_ref", sa.Text),
        _number("created_at"),
        _number("updated_at"),
        sa.CheckConstraint(sa.column("state").in_(STATES), name="outbox_state"),
        schema=SCHEMA,
    )
    state: sa.ColumnElement[str] = sa.column("state")
    _partial("outbox_pending", ["channel", "not_before"], state == "pending")
    _partial("outbox_pending_send_by", ["send_by"], state == "pending")
    _partial("outbox_sending", ["lease_until"], state == "sending")
    _partial("outbox_in_doubt", ["not_before"], state.in_(("unknown", "awaiting_staff")))
    _partial("outbox_provider_ref", ["provider_ref"], sa.column("provider_ref").is_not(None))
    op.create_index("outbox_customer", "outbox", ["customer"], schema=SCHEMA)


def _send_records() -> None:
    op.create_table(
        "send_ledger",
        _text("rule", key=True),
        _text("trigger_key", key=True),
        _number("step", key=True),
        _number("position", key=True),
        _text("customer", key=True),
        _text("command_id"),
        _number("entered_at"),
        schema=SCHEMA,
    )
    op.create_table(
        "send_attempt",
        _text("command_id", key=True),
        _number("attempt_no", key=True),
        _number("started_at"),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("outcome", sa.Text),
        _text("reason", default=""),
        sa.Column("provider_ref", sa.Text),
        schema=SCHEMA,
    )


def _checks() -> None:
    op.create_table("kill_switch", _text("scope", key=True), _text("reason"), _number("at"), schema=SCHEMA)
    op.create_table(
        "suppression",
        _text("customer", key=True),
        _text("field", key=True, default=""),
        _text("reason"),
        _number("at"),
        schema=SCHEMA,
    )
    op.create_table("cancellation", _text("command_id", key=True), _text("reason"), _number("at"), schema=SCHEMA)
    op.create_table(
        "contact_point",
        _text("alias", key=True),
        _text("field", key=True),
        _text("sealed"),
        _number("at"),
        _text("record_key"),
        schema=SCHEMA,
    )
    op.create_index("contact_point_record_key", "contact_point", ["record_key"], schema=SCHEMA)


def _streams() -> None:
    op.create_table(
        "stream_position",
        _text("topic", key=True),
        _number("partition", key=True),
        _number("next_offset"),
        schema=SCHEMA,
    )
    clock = op.create_table("logical_clock", _number("one", key=True, default=1), _number("now_ms"), schema=SCHEMA)
    op.bulk_insert(clock, [{"one": 1, "now_ms": 0}])
    op.create_table(
        "receipt",
        _text("provider", key=True),
        _text("ref", key=True),
        _text("status", key=True),
        _text("command_id"),
        _text("reason"),
        sa.Column("applied", sa.Boolean, nullable=False, server_default=sa.false()),
        schema=SCHEMA,
    )
    _partial("receipt_open", ["ref"], sa.column("applied").is_(sa.false()), table="receipt")
    op.create_table(
        "publication",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        _text("topic"),
        _text("key"),
        _text("tag"),
        _text("event_id"),
        _number("at"),
        sa.Column("value", sa.LargeBinary, nullable=False),
        schema=SCHEMA,
    )


def _partial(name: str, columns: list[str], condition: sa.ColumnElement[bool], *, table: str = "outbox") -> None:
    op.create_index(name, table, columns, schema=SCHEMA, postgresql_where=condition)
