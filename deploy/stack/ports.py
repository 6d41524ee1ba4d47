"""Free ports of this machine: knows 127.0.0.1 only."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec

HOST = "127.0.0.1"


def free(count: int) -> list[int]:
    """Ports that nobody listens on now; held together while they are picked, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def remembered(file: Path, names: Iterable[str]) -> dict[str, int]:
    """A port for each name: that of the last start where still free, so that addresses stay; `file` remembers them."""
    before = msgspec.json.decode(file.read_bytes(), type=dict[str, int]) if file.exists() else {}
    wanted = list(names)
    kept = {name: before[name] for name in wanted if name in before and is_free(before[name])}
    missing = [name for name in wanted if name not in kept]
    kept |= dict(zip(missing, free(len(missing)), strict=True))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(before | kept))
    return kept
