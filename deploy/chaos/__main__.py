"""`make chaos`: faults beside a season of disordered traffic, then the oracle's verdict; .local/results/chaos.json.

Wishes stand in the environment (docs/chaos.md tells more):
  KILLS=100            SIGKILLs of services, with all other faults drawn in between
  FAULT=stop,scale     only these faults, in turn
  MUTATION=all         takes guards of the product out, one run each (or names): each run must turn red
  HOST=faust           the host of the stateful services
  SEED, CUSTOMERS, EVENTS, EVERY (seconds between faults), VICTIMS=notifier,…, SPOILED=1 (providers), LONG=1
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from deploy.chaos.mutations import survived
from deploy.chaos.run import Run, run
from deploy.chaos.wishes import plans
from deploy.demo.screen import show
from deploy.demo.verdict import write

ROOT = Path(__file__).parents[2]


def main() -> int:
    """0 if nothing was lost, doubled or different; with mutations: if each of them was noticed."""
    console = Console(highlight=False)
    try:
        wanted = plans(os.environ)
    except ValueError as error:
        console.print(f"[red]chaos: {error}[/red]")
        return 2
    runs: list[Run] = []
    for plan in wanted:
        console.print(f"[bold]{plan.name}[/bold], seed {plan.seed}: {plan.reproduce}")
        runs.append(uvloop.run(run(ROOT / ".local" / "chaos", plan, console.print)))
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
    table = Table("run", "seed", "s", "kills (in flight)", "faults", "slowest recovery", "events", "commands", "red")
    for one in runs:
        faults = ", ".join(f"{name} {count}" for name, count in one.faults.items())
        events, commands = (one.verdict.events, sum(one.verdict.commands.values())) if one.verdict else ("", "")
        slowest = f"{max(one.recoveries, default=0):.1f} s"
        red = "[green]nothing[/green]" if one.ok else f"[red]{'; '.join(one.red)}[/red]"
        kills = f"{len(one.kills)} ({one.with_lag})"
        table.add_row(one.name, str(one.seed), f"{one.seconds:.0f}", kills, faults, slowest, str(events), str(commands), red)  # fmt: skip
    console.print(table)
    for one in runs:
        for account in one.accounts:
            console.print(
                f"{one.name}: {account.service:14s} {account.accepted} {account.unit} = {account.applied} applied"
                f" + {account.duplicates} duplicates + {account.dead} dead letters, difference {account.difference}"
            )
        console.print(f"{one.name}: workload {one.workload}")


if __name__ == "__main__":
    sys.exit(main())
