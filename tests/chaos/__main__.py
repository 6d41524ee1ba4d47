"""`make chaos`: faults beside a season of disordered traffic, then the oracle's verdict; .local/results/chaos.json.

Wishes stand in the environment (docs/chaos.md tells more):
  KILLS=100            SIGKILLs of services, with all other faults drawn in between
  FAULT=stop,scale     only these faults, in turn
  MUTATION=all         takes guards of the product out, one run each (or names): each run must turn red
  HOST=faust           the host of the stateful services
  MERGES=1             people are named by several ids, which become one person under the faults
  SEED, CUSTOMERS, EVENTS, EVERY (seconds between faults), VICTIMS=notifier,…, SPOILED=1 (providers), LONG=1
"""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from deploy.demo.screen import show
from deploy.demo.verdict import write
from tests.chaos.mutations import survived
from tests.chaos.run import Run, run
from tests.chaos.wishes import plans

ROOT = Path(__file__).parents[2]


def main() -> int:
    """0 if nothing was lost, doubled or different; with mutations: if each of them was noticed."""
    console = Console(highlight=False)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # brokers that come and go are the point
    try:
        wanted = plans(os.environ)
    except ValueError as error:
        console.print(f"[red]chaos: {error}[/red]")
        return 2
    runs: list[Run] = []
    for plan in wanted:
        console.print(f"[bold]{plan.name}[/bold], seed {plan.seed}: {plan.reproduce}", soft_wrap=True)
        runs.append(
            uvloop.run(run(ROOT / ".local" / "chaos", plan, partial(console.print, markup=False, soft_wrap=True)))
        )
        if runs[-1].verdict is not None and not plan.mutation:
            show(console, runs[-1].verdict, {})
        file = write(runs, "chaos", ROOT)
    good = not any(
        survived(plan, done) if plan.mutation else not done.ok for plan, done in zip(wanted, runs, strict=True)
    )
    _tell(console, runs)
    console.print(f"written: {file.relative_to(ROOT)}")
    return 0 if good else 1


def _tell(console: Console, runs: list[Run]) -> None:
    table = Table("run", "seed", "s", "kills", "in flight", "slowest recovery", "events", "commands", "red")
    for one in runs:
        events, commands = (one.verdict.events, sum(one.verdict.commands.values())) if one.verdict else ("", "")
        slowest = f"{max(one.recoveries, default=0):.1f} s"
        red = "[green]nothing[/green]" if one.ok else f"[red]{len(one.red)}[/red]"
        figures = (one.seed, f"{one.seconds:.0f}", len(one.kills), one.with_lag, slowest, events, commands)
        table.add_row(one.name, *map(str, figures), red)
    console.print(table)
    for one in runs:
        lines = [one.reproduce, f"faults {one.faults}", f"workload {one.workload}"]
        lines += [
            f"{each.service}: {each.accepted} {each.unit} = {each.applied} applied + {each.duplicates} duplicates"
            f" + {each.dead} dead letters, difference {each.difference}"
            for each in one.accounts
        ]
        lines += [f"red: {what}" for what in one.red]
        for line in lines:
            console.print(f"{one.name}: {line}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
