"""Brings a database to the newest schema, one history for all services; knows Alembic, not what tables mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

HISTORY = Path(__file__).parent.parent / "migrations"
LOCK = 0x4855_4954_4F55
"""Advisory lock: two launchers that start at once upgrade one after the other."""


async def upgrade(database_url: str, revision: str = "head") -> None:
    """Run what is missing up to `revision`, all in one transaction; nothing happens where nothing is missing."""
    await _run(database_url, lambda config: command.upgrade(config, revision))


async def downgrade(database_url: str, revision: str) -> None:
    """Take the schema back to `revision` (`base` for an empty one); the data of what is dropped is lost."""
    await _run(database_url, lambda config: command.downgrade(config, revision))


def configuration(connection: sa.Connection | None = None) -> Config:
    """Alembic's settings without a file: where the history is and which connection to use."""
    config = Config()
    config.set_main_option("script_location", str(HISTORY).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


async def _run(database_url: str, change: Callable[[Config], None]) -> None:
    engine = create_async_engine(database_url)
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            await connection.run_sync(lambda held: change(configuration(held)))
    finally:
        await engine.dispose()
