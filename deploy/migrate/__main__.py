"""`python -m deploy.migrate upgrade [revision]` or `downgrade revision`; reads HUITOU_DATABASE_URL."""

from __future__ import annotations

import argparse
import asyncio

from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.migrate import downgrade, upgrade


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    database_url: str


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.migrate", description="Change the database's schema.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("upgrade", help="run what is missing")
    up.add_argument("revision", nargs="?", default="head")
    down = commands.add_parser("downgrade", help="take back, with the data")
    down.add_argument("revision")
    asked = parser.parse_args()
    url = _Settings().database_url
    asyncio.run(upgrade(url, asked.revision) if asked.command == "upgrade" else downgrade(url, asked.revision))


if __name__ == "__main__":
    main()
