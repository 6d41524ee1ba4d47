"""Rejected events and dead letters in the console's schema, the audit of what was done about them, the notifier's balance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_letters"
down_revision = "0002"
branch_labels = None
depends_on = None

TOPICS = ("dead-letters-v1", "rejected-events-v1")
AUDIT = """
CREATE SCHEMA IF NOT EXISTS audit;
CREATE TABLE IF NOT EXISTS audit.letter_action (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter text NOT NULL,
    action text NOT NULL,
    operator text NOT NULL,
    at bigint NOT NULL,
    arrived bigint NOT NULL,
    detail text NOT NULL
);
CREATE INDEX IF NOT EXISTS letter_action_letter ON audit.letter_action (letter, number);
CREATE OR REPLACE FUNCTION audit.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit: % is only appended to', TG_TABLE_NAME;
END $$;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.letter_action
    FOR EACH STATEMENT EXECUTE FUNCTION audit.append_only();
"""


def upgrade() -> None:
    """Create what is missing; an audit that is there already is kept."""
    op.add_column(
        "stream_position", sa.Column("balance", sa.BigInteger, nullable=False, server_default="0"), schema="notifier"
    )
    _letters()
    for statement in _statements(AUDIT):
        op.execute(statement)


def downgrade() -> None:
    """Drop the read model, so that it is read again; what people did stays on record."""
    places = sa.table("stream_position", sa.column("topic"), schema="console")
    op.execute(sa.delete(places).where(places.c.topic.in_(TOPICS)))
    op.drop_table("letter", schema="console")
    op.drop_column("stream_position", "balance", schema="notifier")


def _letters() -> None:
    op.create_table(
        "letter",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.BigInteger, nullable=False),
        sa.Column("offset", sa.BigInteger, nullable=False),
        sa.Column("key", sa.LargeBinary),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("arrived", sa.BigInteger, nullable=False),
        sa.Column("told_at", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        schema="console",
    )
    op.create_index("letter_latest", "letter", ["told_at", "id"], schema="console")
    op.create_index("letter_place", "letter", ["topic", "partition", "offset"], schema="console")


def _statements(script: str) -> list[str]:
    """Its statements one by one, as asyncpg takes them; the function's body holds semicolons of its own."""
    head, _, rest = script.partition("CREATE OR REPLACE FUNCTION")
    function, _, trigger = rest.partition("$$;")
    found = [*head.split(";"), f"CREATE OR REPLACE FUNCTION{function}$$", trigger.rstrip().rstrip(";")]
    return [statement for statement in found if statement.strip()]
