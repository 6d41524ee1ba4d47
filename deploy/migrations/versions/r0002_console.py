"""Schema `console`: the read side; everything in it can be read again from the topics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "console"


def upgrade() -> None:
    """Create the schema and its tables."""
    op.execute(sa.schema.CreateSchema(SCHEMA))
    _streams()
    _rows()
    _counts()


def downgrade() -> None:
    """Drop the schema with all it holds."""
    op.execute(sa.schema.DropSchema(SCHEMA, cascade=True))


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _number(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=key, autoincrement=False, nullable=optional)


def _flag(name: str, *, key: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, primary_key=key, nullable=False)


def _streams() -> None:
    op.create_table(
        "stream_position",
        _text("topic", key=True),
        _number("partition", key=True),
        _number("next_offset"),
        schema=SCHEMA,
    )
    clock = op.create_table("logical_clock", _number("one", key=True), _number("now_ms"), schema=SCHEMA)
    op.bulk_insert(clock, [{"one": 1, "now_ms": 0}])


def _rows() -> None:
    op.create_table(
        "customer",
        _text("customer", key=True),
        _text("lifecycle"),
        _flag("sleep_warning"),
        _text("rfm"),
        _number("orders"),
        _number("amount"),
        _number("as_of"),
        schema=SCHEMA,
    )
    op.create_table("change_mark", _text("customer", key=True), _number("seq"), schema=SCHEMA)
    op.create_table(
        "message",
        _text("command_id", key=True),
        _text("rule"),
        _text("channel"),
        _text("state"),
        _number("at"),
        _flag("opened"),
        _flag("clicked"),
        schema=SCHEMA,
    )
    op.create_table(
        "decision",
        _text("id", key=True),
        _text("customer"),
        _text("rule"),
        _text("verdict"),
        _text("reason"),
        _text("detail"),
        _number("until", optional=True),
        _number("effective_at"),
        _number("decided_at"),
        _text("command_id"),
        _number("arrived"),
        _number("partition"),
        _number("offset"),
        schema=SCHEMA,
    )
    op.create_index("decision_latest", "decision", ["arrived", "partition", "offset"], schema=SCHEMA)


def _counts() -> None:
    op.create_table(
        "population",
        _text("lifecycle", key=True),
        _flag("sleep_warning", key=True),
        _text("rfm", key=True),
        _number("customers"),
        _number("orders"),
        sa.Column("amount", sa.Numeric(40, 0), nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "movement",
        _text("dimension", key=True),
        _text("before", key=True),
        _text("after", key=True),
        _number("changes"),
        schema=SCHEMA,
    )
    op.create_table(
        "message_count",
        _text("rule", key=True),
        _text("channel", key=True),
        _text("state", key=True),
        _number("messages"),
        _number("opened"),
        _number("clicked"),
        schema=SCHEMA,
    )
    op.create_table(
        "decision_count",
        _text("rule", key=True),
        _text("verdict", key=True),
        _text("reason", key=True),
        _number("decisions"),
        schema=SCHEMA,
    )
    op.create_table("event_total", _text("type", key=True), _number("events"), schema=SCHEMA)
    op.create_table(
        "event_second", _number("second", key=True), _text("type", key=True), _number("events"), schema=SCHEMA
    )
