"""`make demo`: a seeded shop, or a real one (DATA=online_retail), lived through the real stack on this machine.

Wishes stand in the environment:
  HEADLESS=1           compare with the oracle, write .local/results/demo.json, end with 0 or 1; otherwise until Ctrl-C
                       (`make demo` brings the oracle along; `python -m deploy.demo` compares nothing)
  DATA=online_retail   the real file in HUITOU_DATA instead of the made-up shop
  CUSTOMERS=5000       size of the made-up shop
  SECONDS=120          how long the season takes, at least
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import uvloop
from rich.console import Console

from deploy.demo import plays, retail
from deploy.demo.scenario import RefusedError, Scenario
from deploy.demo.screen import show
from deploy.demo.verdict import Judge, accepted_by_command, at_rest, outbox_states, write
from deploy.stack.plan import ALL
from deploy.stack.stack import CACHE, Stack, emptied
from deploy.stack.supervisor import StartError
from shared import clock
from shared.shop import Shop

ROOT = Path(__file__).parents[2]
ONLINE_RETAIL = "online_retail"
DAY = 86_400_000


class Wish(msgspec.Struct, frozen=True):
    """What the environment asks for."""

    headless: bool
    data: str
    customers: int
    seconds: float
    folder: Path
    cache: Path


def wish(environment: Mapping[str, str]) -> Wish:
    """HEADLESS, DATA, CUSTOMERS, SECONDS, HUITOU_DATA, HUITOU_CACHE; ValueError names what is wrong."""
    data = environment.get("DATA", "")
    if data not in {"", ONLINE_RETAIL}:
        raise ValueError(f"DATA: {data!r} is unknown; leave it out or say {ONLINE_RETAIL}")
    folder = Path(environment.get("HUITOU_DATA") or ROOT.parent / "shared" / "data")
    if data and not (folder / f"{data}.csv.gz").is_file():
        raise ValueError(f"HUITOU_DATA: no {data}.csv.gz in {folder}")
    try:
        customers, seconds = int(environment.get("CUSTOMERS") or 5_000), float(environment.get("SECONDS") or 120)
    except ValueError as error:
        raise ValueError(f"CUSTOMERS or SECONDS: {error}") from None
    headless = environment.get("HEADLESS", "") not in {"", "0"}
    return Wish(headless, data, customers, seconds, folder, Path(environment.get("HUITOU_CACHE") or CACHE))


async def run(asked: Wish, console: Console, judge: Judge | None = None) -> int:
    """The demo from start to end; the exit code. Without a judge nothing is compared."""
    directory = emptied(ROOT / ".local" / "demo")
    began = clock.monotonic()
    console.print("[bold]Huitou · 回头[/bold]  starting a broker, a database and the services …")
    services = tuple(name for name in ALL if name != "clock")
    environment = retail.environment(directory) if asked.data else {"HUITOU_EPOCH_MS": str(DAY), **retail.QUICK}
    stack = Stack(directory=directory, services=services, scenario=True, cache=asked.cache, env=environment)
    async with stack, Scenario(stack) as scenario:
        console.print(f"up after {clock.monotonic() - began:.1f} s")
        console.print(f"   look here: [bold]{stack.console_url}[/bold]  (English: {stack.console_url}/?lang=en)")
        console.print(f"   intake {stack.http_url}  sandbox {stack.sandbox_url}")
        await _play(asked, scenario, console)
        if asked.headless:
            await at_rest(scenario)
            if judge is None:
                return await _count(scenario, console, began)
            return await _judge(asked, scenario, console, began, judge)
        console.print(
            f"The season is over; everything keeps running: [bold]{stack.console_url}[/bold]  Ctrl-C stops it."
        )
        await _until_interrupted()
    return 0


async def _play(asked: Wish, scenario: Scenario, console: Console) -> None:
    if asked.data:
        file = asked.folder / f"{ONLINE_RETAIL}.csv.gz"
        await plays.online_retail(scenario, console, file=file, seconds=asked.seconds)
    else:
        await plays.seeded_shop(scenario, console, customers=asked.customers, seconds=asked.seconds)


async def _judge(asked: Wish, scenario: Scenario, console: Console, began: float, judge: Judge) -> int:
    console.print("[bold]4. The oracle[/bold] folds the log by itself and compares")
    shop, file = (retail.SHOP, asked.folder / f"{ONLINE_RETAIL}.csv.gz") if asked.data else (Shop(), None)
    found = await judge(scenario, shop, epoch_ms=DAY, file=file)
    show(console, found.verdict, found.known)
    ok = found.ok and all(found.verdict.commands.get(rule) for rule in plays.rule_ids())
    seconds = round(clock.monotonic() - began, 1)
    result = {
        "ok": ok,
        "seconds": seconds,
        "restarts": _restarts(scenario.stack),
        "verdict": found.verdict,
        "online_retail": found.known,
    }
    console.print(
        f"{'exact' if ok else '[red]differences[/red]'} after {seconds} s; written: {write(result, 'demo', ROOT).relative_to(ROOT)}"
    )
    return 0 if ok else 1


async def _count(scenario: Scenario, console: Console, began: float) -> int:
    states = await outbox_states(scenario.stack.database_url)
    accepted = await accepted_by_command(scenario.stack.sandbox_url)
    console.print(f"outbox {states}, messages accepted by the sandbox {sum(accepted.values())}")
    seconds = round(clock.monotonic() - began, 1)
    console.print(f"[yellow]nothing is compared[/yellow] (`make demo` brings a judge along); at rest after {seconds} s")
    return 0


def _restarts(stack: Stack) -> dict[str, int]:
    return {name: count for name in stack.supervisor.names if (count := stack.supervisor.restarts(name))}


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def main(judge: Judge | None = None) -> int:
    """The exit code: 0 exact, not compared or ended by Ctrl-C, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="make demo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    try:
        return uvloop.run(run(wish(os.environ), console, judge))
    except (ValueError, StartError, TimeoutError, RefusedError, RuntimeError) as error:
        console.print(f"[red]demo: {error}[/red]")
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
