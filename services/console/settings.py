"""What the console must be told; read from the environment by __main__ only."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.sealing import Keyring
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
    operators_file: Path | None = None
    """Who may open and replay letters (`python -m services.console operators add`); without it the API shows what they are about only."""
    keyring: Path | None = None
    """Keyring file (mode 0600) that opens letters; needed beside an operator."""
    ingest_url: str = ""
    """Where events are sent again."""
    ingest_key_file: Path | None = None
    """A write key of ingest (mode 0600) to send them with."""

    def shop(self) -> Shop:
        """The shop's facts."""
        return load_shop(self.shop_file.read_bytes())

    def opener(self) -> Keyring | None:
        """The keyring, if one was given and letters may be opened at all."""
        return None if self.keyring is None or self.operators_file is None else Keyring.load(self.keyring)

    def names(self) -> frozenset[str]:
        """The further host names, in lower case."""
        return frozenset(name.strip().lower() for name in self.console_names.split(",") if name.strip())


class LettersSettings(BaseSettings):
    """For the command: the environment of the console, with the person's own keyring."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    kafka: str
    database_url: str
    keyring: Path | None = None
    """Needed to show and to replay."""
    ingest_url: str = ""
    ingest_key_file: Path | None = None
    shop_file: Path | None = None
    """For the zone of what is shown; without it UTC."""

    def opener(self) -> Keyring | None:
        """The keyring, if one was given."""
        return None if self.keyring is None else Keyring.load(self.keyring)

    def zone(self) -> str:
        """The shop's zone."""
        return "UTC" if self.shop_file is None else load_shop(self.shop_file.read_bytes()).zone


class OperatorsSettings(BaseSettings):
    """For the command that adds and removes operators."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    operators_file: Path
