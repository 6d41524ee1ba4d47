"""The history of consents with what proves them, and who was erased, on the read side."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_consents"
down_revision = "0004_silence"
branch_labels = None
depends_on = None

SCHEMA = "console"
TEXTS = ("customer", "event", "channel", "purpose", "source", "mode", "proof", "text_version", "operator")


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "consent",
        sa.Column("partition", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in TEXTS),
        sa.Column("granted", sa.Boolean, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("arrived", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("consent_customer", "consent", ["customer"], schema=SCHEMA)
    op.create_table(
        "erasure",
        sa.Column("customer", sa.Text, primary_key=True),
        sa.Column("erased_at", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("decision_customer", "decision", ["customer"], schema=SCHEMA)


def downgrade() -> None:
    """Drop what was added."""
    op.drop_index("decision_customer", "decision", schema=SCHEMA)
    op.drop_table("erasure", schema=SCHEMA)
    op.drop_table("consent", schema=SCHEMA)
