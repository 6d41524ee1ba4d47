"""One upgrade: half a season on the older build, a quarter on this one, a quarter by its newest behaviour, then the oracle's verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import httpx2
import msgspec
import yaml

from deploy.demo import plays, retail, shop
from deploy.demo.people import introduction
from deploy.demo.scenario import Event, Scenario
from deploy.demo.verdict import Verdict, at_rest
from deploy.stack.stack import Stack, emptied
from shared import clock
from shared.contract.broadcasts import BEHAVIOUR
from shared.instants import format_instant
from shared.shop import Shop
from tests.bench.versus.builds import Build, Say
from tests.chaos.workload import Workload, workload
from tests.demo.judge import judge
from tests.upgrade.left import Left, left
from tests.upgrade.older import Older, older

SERVICES = ("sandbox", "profile", "segmenter", "cuts", "trigger-engine", "notifier", "ingest")
ENVIRONMENT = {"HUITOU_EPOCH_MS": str(retail.DAY), **retail.QUICK}
STEP_MS = 3_600_000
DAYS = 24
CHANNELS = ("sms", "email", "wecom", "staff_task")
UNSENT_WITHIN = 60.0
HEALTHY: dict[str, float] = {}
AWAY = {"unavailable": 1.0}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is lived."""

    customers: int = 300
    events: int = 6_000
    """Of the disordered traffic beside the season, which names people by several ids."""
    seed: int = 1


class Upgraded(msgspec.Struct, frozen=True, kw_only=True):
    """What the older build left, and what came of it."""

    base: str
    left: Left
    verdict: Verdict
    red: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Everything that an upgrade can meet was there, and nothing differs."""
        return not self.red and not self.left.missing


async def run(base: Build, directory: Path, wish: Wish, cache: Path, say: Say) -> Upgraded:
    """`directory` is emptied, written by the older build's processes, and then taken over by this tree's."""
    emptied(directory)
    began = clock.monotonic()
    end = shop.SEASON_START + DAYS * retail.DAY
    middle = shop.SEASON_START + DAYS * retail.DAY // 2 + 2 * STEP_MS  # two at night: quiet hours hold messages back
    load, season = _season(wish, end)
    async with (
        older(base.root, directory, cache, SERVICES, ENVIRONMENT) as before,
        Scenario(cast("Stack", before)) as scenario,
    ):
        scenario.malformed.update(load.malformed)
        await _open_shop(before, scenario, wish)
        await scenario.settled(within=180)
        say(f"{base.commit}: history and members are in")
        await scenario.live([one for one in season if one[0] <= middle], until=middle - 16 * STEP_MS, step_ms=STEP_MS)
        await _providers(before.sandbox_url, AWAY)
        rest = [one for one in season if middle - 16 * STEP_MS < one[0] <= middle]
        await scenario.live(rest, until=middle, step_ms=STEP_MS)
        await scenario.settled(within=180)
        found = await left(before.kafka, before.database_url)
        acked, posted = scenario.acked, scenario.posted
    say(f"{base.commit}: stopped; it leaves {msgspec.structs.asdict(found)}")
    stack = Stack(directory=directory, services=SERVICES, scenario=True, env=ENVIRONMENT, cache=cache)
    async with stack, Scenario(stack) as scenario:
        scenario.acked, scenario.posted, scenario.now = acked, posted, middle
        scenario.malformed.update(load.malformed)
        await _providers(stack.sandbox_url, HEALTHY)
        later = middle + (end - middle) // 2 // STEP_MS * STEP_MS
        await scenario.live([one for one in season if middle < one[0] <= later], until=later, step_ms=STEP_MS)
        await _by_the_newest_behaviour(stack)
        await scenario.live([one for one in season if one[0] > later], until=end, step_ms=STEP_MS)
        await at_rest(scenario)
        verdict, answer, report = await judge(scenario, Shop(), epoch_ms=retail.DAY)
    red = [f"{one.name}: {one.failures} of {one.compared}" for one in report.checks if one.failures]
    red += [f"P {verdict.duplicates} messages accepted twice"] if verdict.duplicates else []
    red += [] if answer.handovers else ["no id was ever handed over"]
    return Upgraded(base=base.commit, left=found, verdict=verdict, red=tuple(red), seconds=clock.monotonic() - began)


def _season(wish: Wish, end: int) -> tuple[Workload, list[tuple[int, Event]]]:
    people = shop.buyers(wish.customers, wish.seed)
    customers = [buyer.person.customer() for buyer in people]
    load = workload(customers, wish.events, start=shop.SEASON_START, end=end, seed=wish.seed, merges=True)
    lived = [(at, one) for at, one in shop.season(people, wish.seed) if at <= end]
    return load, sorted([*lived, *load.events], key=lambda pair: pair[0])


async def _open_shop(before: Older, scenario: Scenario, wish: Wish) -> None:
    """Two years of orders imported, everybody introduced, by the older build's own commands."""
    people = shop.buyers(wish.customers, wish.seed)
    await scenario.tick(shop.SEASON_START)
    policy = plays.POLICY.relative_to(plays.ROOT)
    await before.command("services.trigger_engine", "publish", str(before.root / policy))
    history = before.directory / "history.csv"
    shop.write_history(history, people, wish.seed)
    options = ("--baseline", format_instant(shop.SEASON_START), "--confirm-forecast", "--zone", "Asia/Shanghai")
    await before.command("services.ingest", "import", str(history), *options)
    await scenario.post([event for buyer in people for event in introduction(buyer.person, shop.SEASON_START)])


async def _by_the_newest_behaviour(stack: Stack) -> None:
    """The same rules once more, by a policy that names what this build can do."""
    document = yaml.safe_load(plays.POLICY.read_text(encoding="utf-8"))
    document |= {"version": document["version"] + 1, "behaviour": BEHAVIOUR}
    file = stack.directory / "newest.yaml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    await retail.publish(stack, file)


async def _providers(sandbox_url: str, mix: dict[str, float]) -> None:
    """From the next call on the providers answer by `mix`: behaviour → share of calls."""
    async with httpx2.AsyncClient(base_url=sandbox_url, timeout=30.0, trust_env=False) as client:
        for channel in CHANNELS:
            script: dict[str, Any] = {"seed": 1, "mix": mix}
            (await client.post("/faults", json={"channel": channel, "script": script})).raise_for_status()
