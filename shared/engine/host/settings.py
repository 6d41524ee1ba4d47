"""Settings of the stateful services, read from the environment by their __main__ only; no instance stands here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.engine.host.kafka_host import HostSettings
from shared.sealing import Keyring
from shared.shop import Shop, load_shop


class EngineSettings(BaseSettings):
    """Environment variables with the prefix HUITOU_."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    kafka: str
    """Bootstrap servers."""
    host: Literal["kafka", "faust"] = "kafka"
    """What runs the folds (docs/hosts.md)."""
    keyring: Path
    """Keyring file (mode 0600) that seals dead letters."""
    shop_file: Path
    """The shop's facts (shared/shop.py) as JSON."""
    instance: str | None = None
    """Static membership id; only where a supervisor owns it."""
    scenario: bool = False
    """Accept scenario ticks: time is data. Never in production."""
    epoch_ms: int = 60_000
    """RFM cuts are made at multiples of this logical time."""
    snapshots: Path | None = None
    """Directory into which checkpoints write the state; unset: they are only passed on."""

    def shop(self) -> Shop:
        """The shop's facts; msgspec.ValidationError names a wrong field."""
        return load_shop(self.shop_file.read_bytes())

    def sealer(self) -> Keyring:
        """The keyring."""
        return Keyring.load(self.keyring)

    def host_settings(self) -> HostSettings:
        """What a host must know."""
        return HostSettings(
            bootstrap=self.kafka,
            instance=self.instance,
            scenario=self.scenario,
            snapshots=self.snapshots,
        )
