"""What the console must be told; read from the environment by __main__ only."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.shop import Shop, load_shop


class ConsoleSettings(BaseSettings):
    """Environment variables with the prefix HUITOU_."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    kafka: str
    """Bootstrap servers."""
    database_url: str
    """postgresql+asyncpg://…"""
    shop_file: Path
    """The shop's facts (shared/shop.py) as JSON: zone and currency of what is shown."""
    console_port: int = Field(ge=1, le=65_535)
    console_host: str = "127.0.0.1"
    """Address to listen on. The page has no login: leave it where only this machine or a gateway reaches it."""
    console_names: str = ""
    """Further host names, by comma, under which a gateway may ask; localhost names are always allowed."""
    scenario: bool = False
    """Believe scenario ticks: time is data. Never in production."""
    instance: str | None = None
    """Static membership id; only where a supervisor owns it."""

    def shop(self) -> Shop:
        """The shop's facts."""
        return load_shop(self.shop_file.read_bytes())

    def names(self) -> frozenset[str]:
        """The further host names, in lower case."""
        return frozenset(name.strip().lower() for name in self.console_names.split(",") if name.strip())
