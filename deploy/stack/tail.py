"""Follows log files for lines that deserve the terminal: knows levels as our programs write them, nothing else."""

from __future__ import annotations

import re
from pathlib import Path

LOUD = re.compile(
    r"^\S+ \S+ [WEC] |\b(?:WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC)\b|^Traceback",
)
READ_BYTES = 1 << 20


class Tail:
    """Remembers how far each file was read; the past before its creation is not repeated."""

    def __init__(self, directory: Path) -> None:
        """Follow `directory/*.log`, including files yet to come."""
        self._directory = directory
        self._read = {path: path.stat().st_size for path in directory.glob("*.log")}

    def loud(self) -> list[tuple[str, str]]:
        """New (service, line) pairs since the last call, warnings and worse."""
        found = []
        for path in sorted(self._directory.glob("*.log")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                chunk = file.read(READ_BYTES)
            whole = chunk[: chunk.rfind(b"\n") + 1]  # half a line waits for its other half
            self._read[path] = self._read.get(path, 0) + len(whole)
            found += [(path.stem, line) for line in whole.decode("utf-8", "replace").splitlines() if LOUD.search(line)]
        return found
