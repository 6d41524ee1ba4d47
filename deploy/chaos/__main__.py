"""`make chaos KILLS=n`: kill random services while a season flows, compare with the oracle, write .local/results/chaos.json.

FAULTS=1 spoils a tenth of the providers' answers; VICTIMS=notifier,… names whom to kill, EVERY=n seconds on average.
MUTATION=FENCE,… takes rules of the engine out, MUTATION=naive-send the outbox: such a run must end with differences.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop
from rich.console import Console

from deploy.chaos.kills import VICTIMS, Plan, kill_run
from deploy.demo.screen import show
from deploy.demo.verdict import write
from shared.streams.rules import Rule

ROOT = Path(__file__).parents[2]
NAIVE = "naive-send"
FAULTS = {"unavailable": 0.04, "accept_500": 0.03, "accept_reset": 0.02, "accept_garbage": 0.02}


def plan(environment: Mapping[str, str]) -> Plan:
    """KILLS, SEED, CUSTOMERS, EVERY, MUTATION; ValueError names what is wrong."""
    mutation = environment.get("MUTATION", "")
    names = [name for name in mutation.split(",") if name and name != NAIVE]
    unknown = [name for name in names if name not in Rule.__members__]
    if unknown:
        raise ValueError(f"MUTATION: {', '.join(unknown)} unknown; there are {', '.join(Rule.__members__)}, {NAIVE}")
    env = {"HUITOU_RULES_OFF": ",".join(names)} if names else {}
    if NAIVE in mutation.split(","):
        env["HUITOU_NAIVE_SEND"] = "1"
    try:
        return Plan(
            kills=int(environment.get("KILLS") or 100),
            customers=int(environment.get("CUSTOMERS") or 800),
            seed=int(environment.get("SEED") or 1),
            mean_seconds=float(environment.get("EVERY") or 2),
            env=env,
            victims=tuple(name for name in environment.get("VICTIMS", "").split(",") if name) or VICTIMS,
            faults=FAULTS if environment.get("FAULTS") else {},
        )
    except ValueError as error:
        raise ValueError(f"KILLS, CUSTOMERS, EVERY or SEED: {error}") from None


def main() -> int:
    """0 if nothing was lost, doubled or different."""
    console = Console(highlight=False)
    try:
        wanted = plan(os.environ)
    except ValueError as error:
        console.print(f"[red]chaos: {error}[/red]")
        return 2
    console.print(f"seed {wanted.seed}, {wanted.kills} kills, {wanted.customers} customers {wanted.env or ''}")
    result = uvloop.run(kill_run(ROOT / ".local" / "chaos", wanted, console.print))
    show(console, result.verdict, {})
    console.print(f"{len(result.kills)} kills, {result.with_lag} with records in flight, {result.seconds} s")
    console.print(f"written: {write(result, 'chaos', ROOT).relative_to(ROOT)}")
    good = result.verdict.ok and result.verdict.duplicates == 0
    console.print("[green]nothing lost, doubled or different[/green]" if good else "[red]differences[/red]")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
