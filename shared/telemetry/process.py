"""The beginning of a process: JSON logs under its name, and its listener where the environment names a port."""

from __future__ import annotations

import os
import socket

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared import log
from shared.telemetry.telemetry import Telemetry
from shared.version import VERSION


class ProcessSettings(BaseSettings):
    """Environment variables with the prefix HUITOU_, the same for every process."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Port of /healthz, /readyz and /metrics; unset: nothing listens."""
    metrics_host: str = "127.0.0.1"
    """Address to listen on. There is no login: other machines reach it only where this names another address."""
    instance: str = ""
    """Static membership id; names the process in its log lines, too."""


def begin(process: str) -> Telemetry:
    """Set up the logs of a process and serve its health and metrics; `process` is its name in deploy/stack/plan.py."""
    settings = ProcessSettings()
    log.setup(service=process, instance=settings.instance or f"{socket.gethostname()}/{os.getpid()}")
    if settings.metrics_port is None:
        return Telemetry()
    # Only a process that listens pays for the library.
    from shared.telemetry.listener import Listener  # noqa: PLC0415
    from shared.telemetry.registry import Registry  # noqa: PLC0415

    registry = Registry(process)
    registry.gauge("huitou_build_info").labels(VERSION).set(1)
    telemetry = Telemetry(registry)
    Listener(telemetry.health, registry, host=settings.metrics_host, port=settings.metrics_port)
    return telemetry
