"""What happens in each demo, act by act, on a stack that runs already; shows progress, judges nothing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.demo import retail, shop
from deploy.demo.people import introduction
from deploy.demo.reactions import Reactions
from deploy.demo.scenario import Event, Scenario
from shared.engine.host.announce import announce
from shared.instants import format_instant

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "services" / "trigger_engine" / "policies" / "default.yaml"
HOUR = 3_600_000
TEN_MINUTES = 600_000


class Season(NamedTuple):
    """What is lived: events by instant, to `until`, in steps, in about `seconds`."""

    events: list[tuple[int, Event]]
    members: list[str]
    until: int
    step_ms: int
    seconds: float


async def seeded_shop(scenario: Scenario, console: Console, *, customers: int, seconds: float) -> None:
    """Two years of orders imported silently, then a season in about `seconds`."""
    stack = scenario.stack
    people = shop.buyers(customers)
    await scenario.tick(shop.SEASON_START)
    await retail.publish(stack, POLICY)
    history = stack.directory / "history.csv"
    rows = shop.write_history(history, people)
    console.print(
        f"[bold]1. Two years of orders[/bold]: {rows} lines go through `python -m services.ingest import`; no message may come of them"
    )
    options = ("--baseline", format_instant(shop.SEASON_START), "--confirm-forecast")
    console.print((await retail.import_file(stack, history, *options, zone="Asia/Shanghai")).strip(), style="dim")
    console.print(
        f"[bold]2. Members[/bold]: contacts, consents and birthdays of {len(people)} people by HTTP; contacts are sealed on the way"
    )
    await scenario.post([event for buyer in people for event in introduction(buyer.person, shop.SEASON_START - HOUR)])
    await scenario.settled(within=180)
    await announce(stack.kafka, "checkpoint")
    end = shop.SEASON_START + shop.SEASON_DAYS * retail.DAY
    console.print(f"[bold]3. A season[/bold]: {shop.SEASON_DAYS} days in about {seconds:.0f} s")
    season = Season(shop.season(people), [buyer.person.member for buyer in people], end, HOUR, seconds)
    await _live(scenario, console, season)
    await announce(stack.kafka, "checkpoint")


async def online_retail(scenario: Scenario, console: Console, *, file: Path, seconds: float) -> None:
    """Run B: everything before 2011-11-10 imported, the last month lived."""
    stack = scenario.stack
    bought = retail.sales(file)
    members = sorted({sale.member for sale in bought})
    await scenario.tick(retail.LIVE_FROM)
    await retail.publish(stack, POLICY)
    console.print(f"[bold]1. Members[/bold]: contacts, consents and birthdays made up for {len(members)} customers")
    await retail.introduce(scenario, members, retail.LIVE_FROM - HOUR)
    console.print("[bold]2. Import[/bold] of all orders before 2011-11-10, forecast confirmed")
    options = (
        "--baseline",
        format_instant(retail.LIVE_FROM),
        "--confirm-forecast",
        "--until",
        retail.local_text(retail.LIVE_FROM),
    )
    console.print((await retail.import_file(stack, file, *options)).strip(), style="dim")
    await scenario.settled(within=180)
    console.print("[bold]3. The last month lived[/bold] in ticks of ten minutes")
    await _live(scenario, console, Season(retail.lived(bought, members), members, retail.AS_OF, TEN_MINUTES, seconds))


async def _live(scenario: Scenario, console: Console, season: Season) -> None:
    steps = -(-(season.until - scenario.now) // season.step_ms)
    names = {customer: member for member, customer in retail.customer_ids(scenario.stack, season.members).items()}
    shown = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*shown, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("season", total=steps, note="")
        async with Reactions(scenario, names) as reactions:

            async def each_step(number: int) -> None:
                await reactions.react(number)
                note = f"{format_instant(scenario.now)[:10]} · {scenario.posted} events · {reactions.seen} messages"
                progress.update(task, completed=number, note=note)
                if not console.is_terminal and number % max(1, steps // 10) == 0:
                    console.print(f"   {100 * number // steps:3d} % {note}")

            await scenario.live(
                season.events, until=season.until, step_ms=season.step_ms, seconds=season.seconds, each_step=each_step
            )


def rule_ids() -> list[str]:
    """The rules of the default policy."""
    return [rule["id"] for rule in yaml.safe_load(POLICY.read_text(encoding="utf-8"))["rules"]]
