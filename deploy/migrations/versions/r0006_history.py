"""Whether a rejected event was told as history: it is sent again as such."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_history"
down_revision = "0005_consents"
branch_labels = None
depends_on = None

SCHEMA = "console"


def upgrade() -> None:
    """Letters of before are taken as live, as they were."""
    column = sa.Column("history", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("letter", column, schema=SCHEMA)


def downgrade() -> None:
    """Drop what was added."""
    op.drop_column("letter", "history", schema=SCHEMA)
