"""Environments of the peers, made from hash-locked files when first needed; knows venv and pip, no peer."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

WITHIN = 600.0
STAMP = "made-from"
"""File in an environment: digest of the lock that it holds whole."""


class UnavailableError(RuntimeError):
    """There is no such environment and none can be made; the message says why."""


async def interpreter(directory: Path, lock: Path) -> Path:
    """The Python of an environment that holds exactly what `lock` says; UnavailableError, e.g. without a network."""
    python, digest = directory / "bin" / "python", _digest(lock)
    if _digest_held(directory) == digest:
        return python
    await _run(sys.executable, "-m", "venv", "--clear", str(directory))
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
    await _run(*pip, "-r", str(lock))
    _hold(directory, digest)
    return python


def _digest(lock: Path) -> str:
    if not lock.exists():
        raise UnavailableError(f"{lock.name} is not there")
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _digest_held(directory: Path) -> str:
    stamp = directory / STAMP
    return stamp.read_text(encoding="ascii") if stamp.exists() else ""


def _hold(directory: Path, digest: str) -> None:
    (directory / STAMP).write_text(digest, encoding="ascii")


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    try:
        _, said = await asyncio.wait_for(process.communicate(), WITHIN)
    except TimeoutError:
        raise UnavailableError(f"{command[2]} did not end within {WITHIN:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
        raise UnavailableError(lines[-1] if lines else f"{command[2]} ended with {process.returncode}")
