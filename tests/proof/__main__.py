"""`make proof`: the long suites one after the other, then the table part × seconds × result. PROOF=kills,sdks: these alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from shared import clock
from tests.proof.parts import PARTS, Part, chosen
from tests.support.data import data_directory

ROOT: Final = Path(__file__).parents[2]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a part."""

    part: Part
    seconds: float = 0.0
    code: int | None = None
    """Exit code; None: it was not run."""
    said: str = ""
    """Its last line, or why it was not run."""

    @property
    def shown(self) -> str:
        """One word."""
        if self.code is None:
            return "skipped"
        return "proved" if self.code == 0 else f"failed ({self.code})"


def main(names: str) -> int:
    """0 if every part that could be run has proved what it shall; 2 for an unknown part."""
    console = Console(highlight=False)
    try:
        parts = chosen(names)
    except ValueError as error:
        console.print(f"proof: {error}", markup=False)
        return 2
    results = []
    for part in parts:
        console.rule(f"{part.name}: {part.proves}")
        results.append(run(part, console))
    console.print(table(results))
    return 1 if any(result.code for result in results) else 0


def run(part: Part, console: Console) -> Result:
    """Run the part, its words passed on as they come."""
    if "data" in part.needs and not data_directory().is_dir():
        return Result(part=part, said=f"no shared data at {data_directory()}; HUITOU_DATA names another place")
    began, said = clock.monotonic(), ""
    with subprocess.Popen(
        part.command,
        cwd=ROOT,
        env={"PYTHONUNBUFFERED": "1", **part.env, **os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            console.out(line, end="", highlight=False)
            said = line.strip() or said
    return Result(part=part, seconds=clock.monotonic() - began, code=process.returncode, said=said)


def table(results: Sequence[Result]) -> Table:
    """One line a part."""
    shown = Table("part", "seconds", "result", "last line", title=f"{len(results)} of {len(PARTS)} parts")
    for result in results:
        shown.add_row(result.part.name, f"{result.seconds:.0f}", result.shown, result.said)
    return shown


if __name__ == "__main__":
    sys.exit(main(os.environ.get("PROOF", "")))
