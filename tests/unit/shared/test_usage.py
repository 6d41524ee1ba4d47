"""Help is told before any setting is read, and starts nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SERVICES = ("notifier", "console", "profile", "segmenter", "trigger_engine")


@pytest.mark.parametrize("service", SERVICES)
def test_help_ends_at_once_without_any_setting(service: str) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HUITOU_")}
    told = subprocess.run(
        [sys.executable, "-m", f"services.{service}", "--help"],
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"python -m services.{service}" in told.stdout
    assert "docs/operations.md" in told.stdout


def test_the_notifier_takes_no_arguments() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "services.notifier", "start"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (told.returncode, told.stdout) == (2, "")
    assert "takes no arguments" in told.stderr
