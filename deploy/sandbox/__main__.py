"""Starts the sandbox: settings from HUITOU_SANDBOX_…, secrets also from the file HUITOU_SANDBOX_SECRETS_FILE (JSON)."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from deploy.sandbox.server import serving
from deploy.sandbox.settings import SandboxSettings
from shared import clock


async def run(settings: SandboxSettings) -> None:
    """Serve until SIGINT or SIGTERM; prints one line with the ports once it can be called."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings, clock.now_ms) as running:
        ready = {"http_port": running.http_port, "smtp_port": running.smtp_port}
        sys.stdout.write(msgspec.json.encode(ready).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Read the settings and serve."""
    secrets_file = os.environ.get("HUITOU_SANDBOX_SECRETS_FILE")
    known = msgspec.json.decode(Path(secrets_file).read_bytes(), type=dict[str, Any]) if secrets_file else {}
    asyncio.run(run(SandboxSettings(**known)))


if __name__ == "__main__":
    main()
