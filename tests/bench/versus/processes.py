"""The processes of a running stack as /proc shows them: names, CPU seconds, compiler threads of the broker, memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import psutil

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
COMPILERS = (b"C1 CompilerThre", b"C2 CompilerThre")
"""Names of the JIT compiler's threads; the kernel keeps 15 bytes of a name."""
BROKER, DATABASE, LAUNCHER = "kafka", "postgres", "launcher"
INSTANCE = b"HUITOU_INSTANCE="
"""The launcher tells each service its name and a number: `profile-1`."""


class Spent(msgspec.Struct, frozen=True):
    """CPU seconds so far."""

    services: Mapping[str, float]
    """Service → seconds with its children, the broker's without its compiler threads."""
    compiler: float
    """Seconds of the broker's compiler threads."""

    def since(self, before: Spent) -> Spent:
        """What was spent in between; a service that started in between counts from zero."""
        services = {name: seconds - before.services.get(name, 0.0) for name, seconds in self.services.items()}
        return Spent(services, self.compiler - before.compiler)

    @property
    def all(self) -> float:
        """All services together."""
        return sum(self.services.values())


class Processes:
    """The services below one launcher, found once; RuntimeError when one of them is gone."""

    def __init__(self, launcher: int, *, proc: Path = PROC) -> None:
        self._proc = proc
        self._roots = {LAUNCHER: launcher} | dict(self._named(launcher))
        self._compilers: dict[int, float] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All services, the launcher among them."""
        return tuple(self._roots)

    def _named(self, launcher: int) -> Iterator[tuple[str, int]]:
        for child in psutil.Process(launcher).children():
            directory = self._proc / str(child.pid)
            variables = (directory / "environ").read_bytes().split(b"\0")
            instance = next((one[len(INSTANCE) :] for one in variables if one.startswith(INSTANCE)), b"")
            command = (directory / "comm").read_text(encoding="utf-8").strip()
            if instance:
                yield instance.decode().rpartition("-")[0], child.pid
            elif command in {"java", DATABASE}:
                yield (BROKER if command == "java" else DATABASE), child.pid

    def spent(self) -> Spent:
        """CPU seconds so far. Between two calls no compiler thread may start and end, or its seconds stay the broker's."""
        services = {name: sum(self._seconds(pid) for pid in self._tree(name, pid)) for name, pid in self._roots.items()}
        compiler = self._compiler_seconds(self._roots[BROKER]) if BROKER in self._roots else 0.0
        if BROKER in services:
            services[BROKER] -= compiler
        return Spent(services, compiler)

    def memory(self) -> dict[str, int]:
        """Service → proportional set size in bytes, children included."""
        return {name: sum(self._pss(pid) for pid in self._tree(name, pid)) for name, pid in self._roots.items()}

    def _tree(self, name: str, pid: int) -> list[int]:
        if name == LAUNCHER:
            return [pid]
        try:
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        except psutil.NoSuchProcess:
            raise RuntimeError(f"{name} ended while it was measured: process {pid} is gone") from None

    def _seconds(self, pid: int) -> float:
        """With the children that ended and were waited for."""
        try:
            return cpu_of_stat((self._proc / str(pid) / "stat").read_bytes(), children=pid != self._roots[LAUNCHER])
        except FileNotFoundError:
            return 0.0  # a child that ended just now: its parent has its seconds at the next reading

    def _compiler_seconds(self, pid: int) -> float:
        """Threads that ended keep what they had at the last reading."""
        for task in (self._proc / str(pid) / "task").iterdir():
            try:
                if (task / "comm").read_bytes().strip().startswith(COMPILERS):
                    self._compilers[int(task.name)] = cpu_of_stat((task / "stat").read_bytes(), children=False)
            except FileNotFoundError:
                continue
        return sum(self._compilers.values())

    def _pss(self, pid: int) -> int:
        try:
            rollup = (self._proc / str(pid) / "smaps_rollup").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return pss_of_rollup(rollup)


def cpu_of_stat(stat: bytes, *, children: bool) -> float:
    """User and system seconds of a `stat` file of /proc, with `children` those of its dead children too."""
    fields = stat.rpartition(b")")[2].split()  # the name before it may hold anything; the next field is the third
    return sum(int(field) for field in fields[11 : 15 if children else 13]) / TICKS


def pss_of_rollup(rollup: str) -> int:
    """Bytes of the line `Pss:`; ValueError without it."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("smaps_rollup: no line Pss")
