"""Alembic's entry: runs the history on the connection that deploy/migrate hands over; knows no table."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
