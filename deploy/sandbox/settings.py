"""What the sandbox must be told: where to listen, where to keep its log, and the secrets it checks."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SandboxSettings(BaseSettings):
    """Environment variables HUITOU_SANDBOX_…; arguments (for example out of a secrets file) come before them."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_SANDBOX_", frozen=True, extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    http_port: int
    smtp_port: int
    log_path: Path
    """Append-only file of everything accepted; it is read again at start."""
    sms_key_id: str
    sms_key_secret: SecretStr
    wecom_corp_id: str
    wecom_secret: SecretStr
    smtp_username: str
    smtp_password: SecretStr
    callback_url: str = Field(default="", validation_alias=AliasChoices("callback_url", "HUITOU_INGEST_CALLBACK"))
    """Receipts and replies are posted below this address; empty: nobody is told."""
    receipt_delay_ms: int = 200
    confirm_after_ms: int | None = None
    """A guide confirms each mass message after this time; None: only when told to."""

    @field_validator("host")
    @classmethod
    def _loopback_only(cls, host: str) -> str:
        if not ip_address(host).is_loopback:
            raise ValueError("host: the sandbox has no login of its own and listens on loopback addresses only")
        return host
