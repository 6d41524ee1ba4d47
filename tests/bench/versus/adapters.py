"""How a build is commanded: one adapter per layout. All else goes through HTTP, Kafka and /proc, alike for every build."""

from __future__ import annotations

from pathlib import Path

import msgspec

DRIVER = Path(__file__).with_name("driver_c3b6706.py")
LAUNCH = Path(__file__).with_name("launch.py")
"""Starts a build's own stack; runs in the build's interpreter."""
RUN = "versus-stack"
"""Folder below the build's .local/ that holds data, logs and secrets of its stack."""
EMPTY = "import sys, pathlib; from deploy.stack.stack import emptied; emptied(pathlib.Path(sys.argv[1]))"


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """Commands and places of a build; commands are arguments of its interpreter, run at its root."""

    bench: str
    """Package of its bench."""
    in_process: tuple[str, ...]
    """Reads a folder named by the next argument and a line per repetition, prints JSON (tests/bench/repeat.py)."""
    stack: tuple[str, ...] = (str(LAUNCH),)
    """Starts the services named by its arguments, and stops them on SIGTERM."""
    empty: tuple[str, ...] = ("-c", EMPTY)
    """Removes what a stack left in the folder named by the next argument."""
    told: str = "env"
    """File of a running stack with its addresses as shell variables, written when all of it runs."""
    log: str = "kafka"
    """Folder of a stack below which the broker's segments (`*.log`) lie."""

    @property
    def job(self) -> tuple[str, ...]:
        """The aggregator job on the build's own host; told its names by BENCH_*."""
        return ("-m", f"{self.bench}.aggregator.ours")


def adapter(root: Path) -> Adapter:
    """By what the tree holds; ValueError for a layout that no adapter knows."""
    for place in (("tests", "bench"), ("deploy", "bench")):
        directory, package = root.joinpath(*place), ".".join(place)
        if (directory / "repeat.py").exists():
            return Adapter(bench=package, in_process=("-m", f"{package}.repeat"))
        if (directory / "in_process.py").exists():
            return c3b6706(package)
    raise ValueError(f"{root}: neither tests/bench nor deploy/bench is there; write an adapter for this layout")


def c3b6706(bench: str) -> Adapter:
    """Commits up to c3b6706 have no command that repeats the folds: a driver of ours imports their modules."""
    return Adapter(bench=bench, in_process=(str(DRIVER), bench))
