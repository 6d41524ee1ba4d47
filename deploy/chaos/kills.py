"""SIGKILLs of random services while a season flows through them, then the oracle's verdict."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import httpx2
import msgspec

from deploy.demo import plays, retail, shop
from deploy.demo.people import introduction
from deploy.demo.scenario import Scenario
from deploy.demo.verdict import Verdict, at_rest, judge
from deploy.stack.stack import CACHE, Stack, emptied
from shared import clock
from shared.instants import format_instant
from shared.shop import Shop

VICTIMS = ("ingest", "profile", "segmenter", "cuts", "trigger-engine", "notifier")
SERVICES = ("sandbox", *VICTIMS)
GROUPS = ("profile", "segmenter", "trigger-engine", "notifier")
LOOKS = 10
Say = Callable[[str], None]


class Kill(msgspec.Struct, frozen=True):
    """One SIGKILL: when (seconds from the start of the season), whom, and what was in flight."""

    at: float
    service: str
    lag: dict[str, int]

    @property
    def in_flight(self) -> int:
        """Records between commit and end, over the chain's groups."""
        return sum(self.lag.values())


class KillRun(msgspec.Struct, frozen=True):
    """What was done and what came of it."""

    seed: int
    kills: tuple[Kill, ...]
    with_lag: int
    """Kills that met records in flight."""
    restarts: dict[str, int]
    verdict: Verdict
    seconds: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. `env` reaches every service: mutations go there."""

    kills: int = 20
    customers: int = 800
    season_days: int = 14
    step_ms: int = 600_000
    seed: int = 1
    mean_seconds: float = 2.0
    env: dict[str, str] = {}
    victims: tuple[str, ...] = VICTIMS
    faults: dict[str, float] = {}
    """Behaviour of the providers' sandbox on every channel → share of calls (deploy/sandbox/faults.py)."""


async def kill_run(directory: Path, plan: Plan, say: Say, *, cache: Path = CACHE) -> KillRun:
    """Start a fresh stack, live a season in it, kill `plan.kills` times, let it come to rest, judge."""
    emptied(directory)
    began = clock.monotonic()
    env = {
        "HUITOU_EPOCH_MS": str(retail.DAY),
        **retail.QUICK,
        "HUITOU_LEASE_SECONDS": "6",
        "HUITOU_ADDRESS_SECONDS": "30",
    }
    stack = Stack(directory=directory, services=SERVICES, scenario=True, durable=False, cache=cache, env=env | plan.env)
    async with stack, Scenario(stack) as scenario:
        people = shop.buyers(plan.customers, plan.seed)
        await scenario.tick(shop.SEASON_START)
        await retail.publish(stack, plays.POLICY)
        history = stack.directory / "history.csv"
        shop.write_history(history, people, plan.seed)
        options = ("--baseline", format_instant(shop.SEASON_START), "--confirm-forecast")
        await retail.import_file(stack, history, *options, zone="Asia/Shanghai")
        await scenario.post([event for buyer in people for event in introduction(buyer.person, shop.SEASON_START)])
        say(f"up and imported after {clock.monotonic() - began:.1f} s; the season begins")
        await _spoil(stack.sandbox_url, plan)
        kills = await _season(scenario, people, plan, say)
        await _spoil(stack.sandbox_url, msgspec.structs.replace(plan, faults={}))
        await at_rest(scenario, within=240)
        verdict, _, _ = await judge(scenario, Shop(), epoch_ms=retail.DAY)
        restarts = {name: stack.supervisor.restarts(name) for name in VICTIMS}
    with_lag = sum(kill.in_flight > 0 for kill in kills)
    return KillRun(plan.seed, tuple(kills), with_lag, restarts, verdict, round(clock.monotonic() - began, 1))


async def _spoil(sandbox_url: str, plan: Plan) -> None:
    """Let the providers answer as the plan says, from the next call on."""
    async with httpx2.AsyncClient(base_url=sandbox_url, timeout=30.0, trust_env=False) as client:
        for channel in ("sms", "email", "wecom", "staff_task"):
            script = {"seed": plan.seed, "mix": plan.faults, "hang_ms": 20_000}
            (await client.post("/faults", json={"channel": channel, "script": script})).raise_for_status()


async def _season(scenario: Scenario, people: list[shop.Buyer], plan: Plan, say: Say) -> list[Kill]:
    """The season and the kills side by side; the season is stretched until all kills have happened."""
    end = shop.SEASON_START + plan.season_days * retail.DAY
    events = [(at, one) for at, one in shop.season(people, plan.seed) if at <= end]
    length = plan.kills * plan.mean_seconds + 4
    living = asyncio.create_task(scenario.live(events, until=end, step_ms=plan.step_ms, seconds=length))
    try:
        kills = await _kill(scenario, plan, say)
        await living
    finally:
        living.cancel()
    return kills


async def _in_flight(scenario: Scenario) -> dict[str, int]:
    """Lag by group as soon as there is some, or after a second without: a kill of an idle chain proves little."""
    for _ in range(LOOKS):
        behind = await scenario.behind()
        lag = {group: behind.get(group, 0) for group in GROUPS}
        if any(lag.values()):
            break
        await asyncio.sleep(0.1)
    return lag


async def _kill(scenario: Scenario, plan: Plan, say: Say) -> list[Kill]:
    rnd, began = random.Random(plan.seed), clock.monotonic()
    kills: list[Kill] = []
    while len(kills) < plan.kills:
        await asyncio.sleep(rnd.uniform(0.4, 2 * plan.mean_seconds - 0.4))
        service = rnd.choice(plan.victims)
        if scenario.stack.supervisor.status(service) != "running":
            continue
        lag = await _in_flight(scenario)
        scenario.stack.supervisor.kill(service)
        kill = Kill(round(clock.monotonic() - began, 2), service, lag)
        kills.append(kill)
        say(f"kill {len(kills):3d} at {kill.at:6.2f} s: {service:15s} in flight {kill.in_flight:6d} {lag}")
    return kills
