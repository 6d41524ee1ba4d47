"""Run A: the whole Online Retail file imported through the chain, and the proof that each import gate alone suffices.

`python -m tests.demo.imports` runs both and prints expected beside got; the exit code says whether all is exact.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from rich.console import Console

from deploy.demo import plays, retail
from deploy.demo.scenario import Scenario
from deploy.demo.verdict import accepted_by_command, at_rest
from deploy.stack.stack import CACHE, emptied
from shared import clock
from shared.contract.topics import OUTREACH_COMMANDS
from shared.instants import format_instant, parse_instant
from tests.demo.known_figures import compare
from tests.oracle.reader import read_topic
from tests.support.unguarded import entries

BEFORE = parse_instant("2011-12-09T23:50:00Z")
LONG_AFTER = parse_instant("2012-01-31T12:00:00Z")
"""Logical time of the gate runs: every order is older than any time to live."""
CHAIN = ("profile", "segmenter", "trigger-engine")


class Imported(msgspec.Struct, frozen=True):
    """What an import left behind."""

    commands: int
    sent: int
    """Messages that the sandbox accepted."""
    compared: dict[str, Any]
    seconds: float = 0.0
    """From the importer's start to profile state."""


async def run_a(
    directory: Path, file: Path, *, returns: bool = False, kills: int = 0, brief: bool = False, cache: Path = CACHE
) -> Imported:
    """Import everything at 2011-12-09 23:50, then let one tick pass; figures and commands at 2011-12-10.

    The importer is killed `kills` times on the way. `seconds`: from its start until the profiles are there.
    """
    emptied(directory)
    stack = retail.stack(directory, cache=cache, brief=brief)
    async with stack, Scenario(stack) as scenario:
        members = sorted({sale.member for sale in retail.sales(file)})
        await scenario.tick(BEFORE)
        await retail.publish(stack, plays.POLICY)
        await retail.introduce(scenario, members, BEFORE)
        options = ("--baseline", format_instant(BEFORE), *(("--returns",) if returns else ()))
        began = clock.monotonic()
        await retail.import_file(stack, file, *options, kills=kills)
        await _profiled(scenario)
        seconds = clock.monotonic() - began
        await scenario.settled(groups=CHAIN)
        await scenario.tick(retail.AS_OF)
        await at_rest(scenario)
        compared = await compare(stack, file, returns=returns)
        return Imported(*await _outreach(scenario), compared, seconds)


async def _profiled(scenario: Scenario) -> None:
    """Return when the profile service has taken and committed every record of the log."""
    while (await scenario.behind()).get("profile", 1):
        await asyncio.sleep(0.05)


OFF = {
    "": ("import", "age", "expired", "EXPIRY"),
    "mode": ("age", "expired", "EXPIRY"),
    "age": ("expired", "EXPIRY"),
    "send_by": ("import", "age"),
}
"""The one gate left on → what is taken out. Without the mode the import pretends to be live."""


async def gates(directory: Path, file: Path, *, on: str, cache: Path = CACHE) -> Imported:
    """The import with every gate off but `on` ("" for none), at a logical time when everything in it is old."""
    emptied(directory)
    stack = retail.stack(directory, cache=cache, brief=True, entry=entries(OFF[on]))
    async with stack, Scenario(stack) as scenario:
        members = sorted({sale.member for sale in retail.sales(file)})
        await scenario.tick(LONG_AFTER)
        await retail.publish(stack, plays.POLICY)
        await retail.introduce(scenario, members, LONG_AFTER)
        mode = "import" if on == "mode" else "live"
        await retail.import_file(stack, file, "--baseline", format_instant(LONG_AFTER), "--mode", mode)
        await at_rest(scenario)
        return Imported(*await _outreach(scenario), {})


async def _outreach(scenario: Scenario) -> tuple[int, int]:
    commands = await read_topic(scenario.stack.kafka, OUTREACH_COMMANDS.name)
    return len(commands), len(await accepted_by_command(scenario.stack.sandbox_url))


async def _all(file: Path, console: Console) -> bool:
    root, good = Path(__file__).parents[2], True
    directory = root / ".local" / "imports"
    for returns, kills in ((False, 0), (True, 0), (True, 3)):
        result = await run_a(directory, file, returns=returns, kills=kills)
        console.print(
            f"[bold]whole file, {'with' if returns else 'without'} returns, killed {kills} times[/bold]: "
            f"commands {result.commands}, {result.seconds:.1f} s to profile state"
        )
        for name, (expected, got) in result.compared["figures"].items():
            console.print(f"   {name:20s} expected {expected} got {got}")
        console.print(
            f"   customers that differ: {len(result.compared['differences'])} of {result.compared['customers']}"
        )
        good = good and not result.compared["differences"] and result.commands == 0
    for on in OFF:
        result = await gates(directory, file, on=on)
        console.print(f"gate on: {on or 'none':8s} commands {result.commands:6d} messages accepted {result.sent:6d}")
        good = good and (result.sent == 0) == bool(on)
    return good


if __name__ == "__main__":
    folder = Path(os.environ.get("HUITOU_DATA") or Path(__file__).parents[3] / "shared" / "data")
    sys.exit(0 if uvloop.run(_all(folder / "online_retail.csv.gz", Console(highlight=False))) else 1)
