"""Settings of the rehearsal's commands, read from the environment by its __main__ only."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.shop import Shop, load_shop


class AuditSettings(BaseSettings):
    """Environment variables with the prefix HUITOU_: those with which the stateful services run."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    kafka: str
    """Bootstrap servers."""
    shop_file: Path
    """The shop's facts (shared/shop.py) as JSON."""
    snapshots: Path
    """Directory into which checkpoints write the state."""
    scenario: bool = False
    """Scenario ticks count: time is data."""
    epoch_ms: int = Field(default=60_000, gt=0)
    """RFM cuts are made at multiples of this logical time."""

    def shop(self) -> Shop:
        """The shop's facts; msgspec.ValidationError names a wrong field."""
        return load_shop(self.shop_file.read_bytes())
