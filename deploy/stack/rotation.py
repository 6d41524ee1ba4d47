"""Keeps log files small while processes write to them: a full file is copied aside and emptied."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path

import msgspec

CHUNK = 1 << 20


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """How large a log becomes and how many there are of it: `profile.log`, `profile.log.1` (newer), `profile.log.2`."""

    limit: int = 10 << 20
    """Bytes at which a file is full; it may exceed them by what is written between two looks."""
    files: int = 3
    """The file that is written to included; at least 2."""
    look_seconds: float = 5.0


async def keep_rotating(logs: Path, rotation: Rotation) -> None:
    """Look at `logs/*.log` until cancelled; a disk that refuses costs the rotation, not the services."""
    while True:
        _rotate_all(logs, rotation)
        await asyncio.sleep(rotation.look_seconds)


def _rotate_all(logs: Path, rotation: Rotation) -> None:
    for log in sorted(logs.glob("*.log")):
        with contextlib.suppress(OSError):
            rotate(log, rotation)


def rotate(log: Path, rotation: Rotation) -> bool:
    """True if the log was full.

    Whoever writes keeps its descriptor, which must have been opened for appending: what is written next stands at the
    beginning of the emptied file. What is written in the microseconds between the last read and the emptying is lost.
    """
    try:
        if log.stat().st_size < rotation.limit:
            return False
    except FileNotFoundError:
        return False
    older = [log.with_name(f"{log.name}.{number}") for number in range(1, rotation.files)]
    copy = log.with_name(f"{log.name}.copy")
    try:
        with log.open("r+b") as full, copy.open("wb") as aside:
            shutil.copyfileobj(full, aside, CHUNK)
            aside.flush()  # a disk that refuses does so here, before an older file has moved
            for source, target in zip(reversed(older[:-1]), reversed(older[1:]), strict=True):
                if source.exists():
                    source.replace(target)
            copy.replace(older[0])
            shutil.copyfileobj(full, aside, CHUNK)
            aside.flush()
            os.ftruncate(full.fileno(), 0)
    finally:
        copy.unlink(missing_ok=True)
    return True
