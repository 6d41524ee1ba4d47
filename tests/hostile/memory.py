"""The peak of a process's memory between two moments, by the kernel's own mark. Knows /proc; not what the process does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, final

_RESET: Final = "5"
"""Written to clear_refs it takes the peak back to what is resident now (proc(5))."""


@final
class Peak:
    """Growth of the resident set of `pid` since `begin`."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self._before = 0

    @property
    def measured(self) -> bool:
        """Whether this machine tells it."""
        return (self._folder / "clear_refs").exists()

    def begin(self) -> None:
        """Forget the peak so far."""
        (self._folder / "clear_refs").write_text(_RESET, encoding="ascii")
        self._before = self._read("VmRSS")

    def growth(self) -> int:
        """KiB between what was resident at `begin` and the highest since."""
        return max(0, self._read("VmHWM") - self._before)

    def _read(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+) kB$", (self._folder / "status").read_text(encoding="ascii"), re.MULTILINE)
        return int(found[1]) if found else 0
