"""Who is silent for which purpose, as the trigger engine last told, and who was erased: what outlives his addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_silence"
down_revision = "0003_letters"
branch_labels = None
depends_on = None

SCHEMA = "notifier"


def upgrade() -> None:
    """Create both tables; the outbox learns the purpose of its commands."""
    op.create_table(
        "silence",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("purpose", sa.Text, primary_key=True),
        sa.Column("silent", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("decided_at", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "erasure",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("erased_at", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.add_column("outbox", sa.Column("purpose", sa.Text, nullable=False, server_default=""), schema=SCHEMA)
    op.execute("UPDATE notifier.outbox SET purpose = convert_from(payload, 'UTF8')::jsonb ->> 'purpose'")


def downgrade() -> None:
    """Drop what was added."""
    op.drop_column("outbox", "purpose", schema=SCHEMA)
    op.drop_table("erasure", schema=SCHEMA)
    op.drop_table("silence", schema=SCHEMA)
