"""What the notifier must be told; read from the environment by __main__ only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.notifier.channels.templates import TemplateSources, builtin_sources, read_sources
from services.notifier.guards import ALL_ON, Guard, Off
from services.notifier.providers import Reach
from services.notifier.state import Limits

Seconds = Annotated[float, Field(gt=0)]


class NotifierSettings(BaseSettings):
    """Environment variables with the prefix HUITOU_."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    kafka: str
    """Bootstrap servers."""
    database_url: str
    """postgresql+asyncpg://…"""
    keyring: Path
    """Opens addresses and seals dead letters (mode 0600)."""
    providers_file: Path
    """Accounts and secrets (services/notifier/providers.py), mode 0600."""
    templates_file: Path | None = None
    """Message templates; without it those that the product brings along."""
    sandbox_url: str = ""
    """Where SMS and WeCom calls go instead of the providers."""
    smtp_host: str = ""
    smtp_port: int = 0
    """The relay, where it is not the one of the providers' file."""
    unsubscribe_url: str = ""
    """Address of the link in mails, with `{token}`, where it is not that of the providers' file."""
    instance: str | None = None
    """Static membership id; only where a supervisor owns it."""
    scenario: bool = False
    """Logical now is the largest decided_at read, not wall time. Never in production."""
    workers: PositiveInt = 2
    """Per channel: a provider that hangs holds up no other channel."""
    batch: PositiveInt = 16
    """Commands that a worker sends side by side."""
    lease_seconds: Seconds = 30.0
    quiet_seconds: Seconds = 600.0
    """Before a provider's "not found" is believed."""
    address_seconds: Seconds = 60.0
    longest_wait_seconds: Seconds = 900.0
    """Bound of every wait before a retry or a further look-up."""
    look_up_seconds: Seconds = 86_400.0
    staff_poll_seconds: Seconds = 60.0
    staff_wait_seconds: Seconds = 86_400.0
    resend_service: bool = False
    """Send a service message in doubt once more, flagged, where the provider cannot be asked."""
    restored: Literal["refuse", "skip"] = "refuse"
    """When the database is behind the broker: refuse to start, or leave out the commands in between."""

    @property
    def send_seconds(self) -> float:
        """Longest time of one send: well inside the lease."""
        return self.lease_seconds * 2 / 3

    def limits(self, off: Off = ALL_ON) -> Limits:
        """The state machine's durations; `off`: guards that a test takes out."""
        return Limits(
            lease=_ms(self.lease_seconds),
            quiet=_ms(self.quiet_seconds),
            address_wait=_ms(self.address_seconds),
            longest_wait=_ms(self.longest_wait_seconds),
            look_up_for=_ms(self.look_up_seconds),
            staff_poll=_ms(self.staff_poll_seconds),
            staff_wait=_ms(self.staff_wait_seconds),
            resend_service=self.resend_service,
            expiry=Guard.EXPIRY not in off,
            naive=Guard.DOUBT in off,
        )

    def reach(self) -> Reach:
        """Where the providers are."""
        return Reach(
            base_url=self.sandbox_url,
            smtp_host=self.smtp_host,
            smtp_port=self.smtp_port,
            unsubscribe_url=self.unsubscribe_url,
            send_s=self.send_seconds,
            connections=self.workers * self.batch,
        )

    def sources(self) -> TemplateSources:
        """The message templates."""
        if self.templates_file is None:
            return builtin_sources()
        return read_sources(self.templates_file.read_text("utf-8"))


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)
