"""Follows log files for lines that deserve the terminal: warnings and worse, whoever wrote them."""

from __future__ import annotations

import json
import re
from pathlib import Path

LOUD = re.compile(r"\b(?:WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC)\b|^Traceback")
"""In lines that are not ours: the broker's, the database's, an interpreter's last words."""
LEVELS = {"warning": "W", "error": "E", "critical": "C"}
HIDDEN = frozenset({"time", "level", "logger", "event", "service", "instance"})
"""Fields of a line that stand before its values, or beside it on the terminal."""
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
                if self._read.get(path, 0) > path.stat().st_size:  # rotated: it begins anew
                    self._read[path] = 0
                file.seek(self._read.get(path, 0))
                chunk = file.read(READ_BYTES)
            whole = chunk[: chunk.rfind(b"\n") + 1]  # half a line waits for its other half
            passed = len(whole) or (len(chunk) if len(chunk) == READ_BYTES else 0)  # a line beyond all measure does not
            self._read[path] = self._read.get(path, 0) + passed
            lines = (shown(line) for line in whole.decode("utf-8", "replace").splitlines())
            found += [(path.stem, line) for line in lines if line]
        return found


def shown(line: str) -> str:
    """The line for people, if it deserves the terminal; else empty."""
    try:
        told = json.loads(line) if line.startswith("{") else None
    except ValueError:
        told = None
    if not isinstance(told, dict) or "event" not in told:
        return line if LOUD.search(line) else ""
    level = LEVELS.get(told.get("level", ""))
    if level is None:
        return ""
    values = (f"{name}={_plain(_last_line(value))}" for name, value in told.items() if name not in HIDDEN)
    return " ".join((str(told.get("time", "")), level, str(told.get("logger", "")), _plain(told["event"]), *values))


def _last_line(value: object) -> object:
    """Of a traceback what it ends with; the file has all of it."""
    return value.rstrip().rpartition("\n")[2] if isinstance(value, str) else value


def _plain(value: object) -> str:
    return str(value).encode("unicode_escape").decode()
