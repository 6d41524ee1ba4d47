"""Settings of ingest's processes, read from the environment by __main__ only; no instance stands here."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.ingest.api import Terms
from services.ingest.browser import origin_of, read_origins
from services.ingest.gate import STANDARD
from services.ingest.identifiers import Pepper
from services.ingest.people import Desk
from services.ingest.rate import Limit
from shared.private_files import read_private
from shared.shop import load_shop


class ClockSettings(BaseSettings):
    """Environment variables with the prefix HUITOU_."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    kafka: str
    """Bootstrap servers."""
    scenario: bool = False
    """Time is data: no live ticks. Never in production."""


class FactSettings(ClockSettings):
    """For everything that makes facts."""

    pepper_file: Path
    """The secret (mode 0600) behind customer ids."""
    shop_file: Path
    """The shop's facts (shared/shop.py) as JSON."""
    keyring: Path
    """Keyring file (mode 0600) that seals contact data and rejected events."""

    def desk(self) -> Desk:
        """Shop and pepper, read."""
        return Desk(load_shop(self.shop_file.read_bytes()), Pepper.load(self.pepper_file))


class ImportSettings(FactSettings):
    """For whoever imports files."""

    imports: Path = Path(".local/import-jobs")
    """Private folder of uploaded files, jobs and saved mappings."""
    forecaster: str = "services.rehearsal.forecast"
    """Module that is run to forecast an import; empty: dry runs tell no forecast."""


class HttpSettings(ImportSettings):
    """For the HTTP service."""

    write_keys_file: Path
    """Write keys (mode 0600), see `python -m services.ingest keys`."""
    hooks_file: Path | None = None
    """Systems that may call `/hooks/…` (mode 0600), see docs/webhooks.md; without it there are none."""
    unsubscribe_key_file: Path | None = None
    """The key (mode 0600) of the links in messages, the same as `email.unsubscribe_key` of the notifier's providers; without it `/u/…` is not served."""
    http_port: int
    """Port to listen on."""
    imports_upload_mb: int = 20
    """Megabytes that an uploaded file may have."""
    http_host: str = "127.0.0.1"
    """Address to listen on."""
    cors_origins: str = ""
    """Origins by comma whose pages may send, such as https://shop.example, or *; empty: pages of this machine."""
    public_url: str = ""
    """Where browsers reach this service, such as https://collect.shop.example; empty: where they asked."""
    events_per_second: int = Field(default=STANDARD.per_second, ge=1, le=10_000_000)
    """Lasting rate of a write key that names no limit of its own."""
    events_burst: int = Field(default=STANDARD.burst, ge=1, le=100_000_000)
    """Events that such a key may send at once after a rest."""
    import_max_lag: int = Field(default=5_000, ge=1)
    """History over HTTP waits while the chain is more records behind."""

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, written: str) -> str:
        read_origins(written)
        return written

    @field_validator("public_url")
    @classmethod
    def _url(cls, written: str) -> str:
        if written and origin_of(written) != written.rstrip("/"):
            raise ValueError("must be an address without a path, such as https://collect.shop.example")
        return written.rstrip("/")

    def unsubscribe_key(self) -> bytes:
        """Empty where no file is named; PrivateFileError if it cannot be used."""
        return b"" if self.unsubscribe_key_file is None else read_private(self.unsubscribe_key_file).strip()

    def limit(self) -> Limit:
        """Of keys without one of their own."""
        return Limit(per_second=self.events_per_second, burst=self.events_burst)

    def terms(self) -> Terms:
        """For the application."""
        return Terms(public_url=self.public_url, origins=read_origins(self.cors_origins))


class KeysSettings(BaseSettings):
    """For the write keys' commands."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    write_keys_file: Path


class HooksSettings(BaseSettings):
    """For the webhook sources' commands."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    hooks_file: Path
