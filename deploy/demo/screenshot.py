"""Takes a picture of a page with the browser that is on PATH; knows nothing of what it shows.

usage: python -m deploy.demo.screenshot URL OUT.png [--size 1400x1000] [--wait 4]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LONGEST_SECONDS = 60


class BrowserError(RuntimeError):
    """There is no browser, or it made no picture."""


def find_browser() -> str:
    """Path of the first browser on PATH; BrowserError if there is none."""
    for name in BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return found
    raise BrowserError(f"no browser on PATH: install one of {', '.join(BROWSERS)}")


def take(url: str, out: Path, *, size: tuple[int, int] = (1400, 1000), wait_seconds: float = 4.0) -> None:
    """Write the page as PNG, `wait_seconds` of its own time after it began; BrowserError if no picture came."""
    browser = find_browser()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="huitou-browser-") as profile:
        command = [
            browser,
            "--headless=new",
            "--no-sandbox",  # it runs as root in containers and sees this one page
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--hide-scrollbars",
            "--lang=zh-CN",
            f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}",
            f"--virtual-time-budget={round(wait_seconds * 1000)}",
            f"--screenshot={out.resolve()}",
            url,
        ]
        try:
            ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LONGEST_SECONDS)  # noqa: S603 - an argument list, no shell
        except subprocess.TimeoutExpired:
            raise BrowserError(f"{browser}: no picture of {url} within {LONGEST_SECONDS} s") from None
    if not out.is_file():
        raise BrowserError(f"{browser}: no picture of {url}: {ended.stderr.strip()[-500:]}")


def main() -> None:
    """Take the picture that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.screenshot", description="Take a picture of a page.")
    parser.add_argument("url")
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=_size, default=(1400, 1000), metavar="WIDTHxHEIGHT")
    parser.add_argument("--wait", type=float, default=4.0, metavar="SECONDS")
    asked = parser.parse_args()
    try:
        take(asked.url, asked.out, size=asked.size, wait_seconds=asked.wait)
    except BrowserError as error:
        sys.exit(f"screenshot: {error}")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


if __name__ == "__main__":
    main()
