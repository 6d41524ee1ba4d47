"""The stack from the command line: reads settings, starts it, shows it; decides nothing itself.

`python -m deploy.stack up` runs the whole product until Ctrl-C; `secrets FOLDER` writes the files docker-compose.yml
asks for; `clean` removes what `up` had to keep outside of .local/.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from aiokafka.errors import KafkaError
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console
from rich.live import Live
from rich.text import Text

from deploy.stack.environment import shop_file
from deploy.stack.keys import ensure
from deploy.stack.plan import ALL, PlanError
from deploy.stack.postgres import Postgres
from deploy.stack.screen import colour, render
from deploy.stack.stack import CACHE, ROOT, Stack, unused
from deploy.stack.supervisor import StartError
from deploy.stack.tail import Tail
from shared.kafka.lag import LagReader, by_topic

LOCAL = ROOT / ".local"
REFRESH_SECONDS = 1.0


class Settings(BaseSettings):
    """Environment variables with the prefix HUITOU_."""

    model_config = SettingsConfigDict(env_prefix="HUITOU_", frozen=True)

    cache: Path = CACHE
    """Verified jars; shared by all checkouts."""
    run: str = "up"
    """Name of the folder below .local/ that keeps data, logs and secrets."""
    services: str = ",".join(ALL)
    """What to run, by name and comma."""
    scenario: bool = False
    """Accept scenario ticks. Never in production."""


async def up(settings: Settings) -> None:
    """Start everything, show it, and stop in order on SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)  # while it starts
    stack = Stack(
        directory=LOCAL / settings.run,
        services=tuple(name for name in settings.services.split(",") if name),
        scenario=settings.scenario,
        cache=settings.cache,
    )
    console = Console()
    console.print("starting; the first time fetches the broker's jars …", style="dim")
    async with stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        await show(stack, console, stop)
        console.print("stopping …", style="dim")


async def show(stack: Stack, console: Console, stop: asyncio.Event) -> None:
    """The screen, renewed until `stop`; where nobody watches a terminal, printed once."""
    tail = Tail(stack.directory / "logs")
    async with LagReader(stack.kafka) as lag:
        first = render(stack, await _lags(lag))
        live = Live(first, console=console, auto_refresh=False) if console.is_terminal else None
        if live is None:
            console.print(first)
        with live or contextlib.nullcontext():
            while not stop.is_set():
                for name, line in tail.loud():
                    console.print(Text.assemble((f"{name:>15} ", colour(name, stack.supervisor.names)), line))
                if live is not None:
                    live.update(render(stack, await _lags(lag)), refresh=True)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), REFRESH_SECONDS)


async def _lags(lag: LagReader) -> dict[str, dict[str, int]]:
    """Records not committed, by group and topic; none while the broker restarts or a coordinator loads its groups."""
    try:
        return by_topic(await lag.read())
    except (KafkaError, OSError):
        return {}


def clean() -> None:
    """Remove databases that had to live outside of .local/, because their user may not enter the checkout."""
    for directory in LOCAL.glob("*/"):
        unused(directory)
    for directory in LOCAL.glob("*/postgres"):
        Postgres(directory).remove()


def main() -> None:
    """Run the command named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.stack", description="Huitou on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="run the whole product until Ctrl-C")
    commands.add_parser("clean", help="remove what was kept outside of .local/")
    commands.add_parser("secrets", help="write the files docker-compose.yml needs").add_argument("folder", type=Path)
    asked = parser.parse_args()
    if asked.command == "clean":
        try:
            clean()
        except StartError as error:
            sys.exit(f"clean: {error}")
        return
    if asked.command == "secrets":
        ensure(asked.folder)
        shop_file(asked.folder)
        return
    logging.basicConfig(level=logging.CRITICAL)  # the screen is for people; details are in the log files
    try:
        asyncio.run(up(Settings()))
    except asyncio.CancelledError:
        sys.exit(130)
    except (StartError, PlanError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
