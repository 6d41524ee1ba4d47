"""How far nulls of contact-points-v1 reach, and publications without a value, into a given partition."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_contacts"
down_revision = "0006_history"
branch_labels = None
depends_on = None

SCHEMA = "notifier"


def upgrade() -> None:
    """Nulls read before are not known: what they took stays away, and erasures are known by customer."""
    op.create_table(
        "contact_gone",
        sa.Column("record_key", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.alter_column("publication", "value", nullable=True, schema=SCHEMA)
    op.add_column("publication", sa.Column("partition", sa.BigInteger), schema=SCHEMA)


def downgrade() -> None:
    """Drop what was added; what waits for a partition of its own is not known to earlier code."""
    op.execute("DELETE FROM notifier.publication WHERE value IS NULL OR partition IS NOT NULL")
    op.drop_column("publication", "partition", schema=SCHEMA)
    op.alter_column("publication", "value", nullable=False, schema=SCHEMA)
    op.drop_table("contact_gone", schema=SCHEMA)
