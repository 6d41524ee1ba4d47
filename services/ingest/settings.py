"""Settings of ingest's processes, read from the environment by __main__ only; no instance stands here."""

from __future__ import annotations

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from shared.shop import load_shop


class ClockSettings(BaseSettings):
    """Environment variables with the prefix HUITOU_."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    kafka: str
    """Bootstrap servers."""
    scenario: bool = False
    """Time is data: no live ticks. Never in production."""


class ImportSettings(ClockSettings):
    """For everything that makes facts."""

    pepper_file: Path
    """The secret (mode 0600) behind customer ids."""
    shop_file: Path
    """The shop's facts (shared/shop.py) as JSON."""

    def desk(self) -> Desk:
        """Shop and pepper, read."""
        return Desk(load_shop(self.shop_file.read_bytes()), Pepper.load(self.pepper_file))


class HttpSettings(ImportSettings):
    """For the HTTP service."""

    keyring: Path
    """Keyring file (mode 0600) that seals contact data and rejected events."""
    write_keys_file: Path
    """Write keys (mode 0600), see `python -m services.ingest keys`."""
    hooks_file: Path | None = None
    """Systems that may call `/hooks/…` (mode 0600), see docs/webhooks.md; without it there are none."""
    http_port: int
    """Port on 127.0.0.1."""


class KeysSettings(BaseSettings):
    """For the write keys' commands."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    write_keys_file: Path


class HooksSettings(BaseSettings):
    """For the webhook sources' commands."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    hooks_file: Path
