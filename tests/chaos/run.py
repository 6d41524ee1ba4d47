"""One fault run: a fresh stack, a season with disorder on top, faults beside it, rest, and the oracle's verdict."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import httpx2
import msgspec

from deploy.demo import plays, retail, shop
from deploy.demo.people import introduction
from deploy.demo.scenario import Event
from deploy.demo.verdict import Verdict, at_rest
from deploy.stack.stack import CACHE, Stack, emptied
from shared import clock
from shared.contract import topics
from shared.engine.fold.batch import Emit
from shared.instants import format_instant
from shared.sealing import Keyring
from shared.shop import Shop
from tests.chaos import conservation
from tests.chaos.chaos import Act, Chaos, Kill, Sample, Say, Strike
from tests.chaos.conservation import Account, Seen
from tests.chaos.faults import FAULTS
from tests.chaos.patience import PatientScenario
from tests.chaos.plan import MOST_STEPS, SERVICES, STEP_MS, STEPS_PER_SECOND, VICTIMS, Plan
from tests.chaos.schedule import length, schedule
from tests.chaos.workload import Workload, workload
from tests.demo.judge import judge
from tests.oracle import outputs
from tests.oracle.answers import Answer
from tests.oracle.reader import LogRecord, read_topic
from tests.support import event_ids
from tests.support.unguarded import entries

CALM_LAG = 1_000
"""Records of lag below which the chain has recovered."""
CALM_SECONDS = 1.0
EVENTS_PER_SECOND = 40
FIRST_SECONDS = 1.0
BRIEF_BELOW = 20
"""Kills: such a run takes a minute or two."""
CHANNELS = ("sms", "email", "wecom", "staff_task")
ENVIRONMENT = {
    "HUITOU_EPOCH_MS": str(retail.DAY),
    **retail.QUICK,
    "HUITOU_LEASE_SECONDS": "6",
    "HUITOU_ADDRESS_SECONDS": "30",
}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What was done and what came of it."""

    name: str
    reproduce: str
    seed: int
    ok: bool
    """Nothing lost, doubled or different, and no promise broken."""
    red: tuple[str, ...]
    """Checks that failed, in words."""
    seconds: float
    kills: tuple[Kill, ...]
    with_lag: int
    """Kills that met records in flight."""
    acts: tuple[Act, ...]
    faults: dict[str, int]
    recoveries: tuple[float, ...]
    """Seconds from each act until the lag was below 1,000 again, with every service up."""
    restarts: dict[str, int]
    sent_again: dict[str, int]
    """Why requests were sent again → how often."""
    workload: dict[str, int]
    """What the workload held; `malformed` were refused, `beyond the ring` were applied twice, by design."""
    accounts: tuple[Account, ...]
    verdict: Verdict | None
    """None if the chain never came to rest."""


async def run(directory: Path, plan: Plan, say: Say, *, cache: Path = CACHE) -> Run:
    """Carry out a plan in a fresh stack under `directory`."""
    emptied(directory)
    began = clock.monotonic()
    stack = Stack(
        directory=directory,
        services=SERVICES,
        scenario=True,
        durable=False,
        brief=plan.kills < BRIEF_BELOW,
        cache=cache,
        env=ENVIRONMENT | dict(plan.env),
        entry=entries(plan.off),
        nodes=plan.nodes,
    )
    async with stack, PatientScenario(stack) as scenario:
        strikes = schedule(plan)
        seconds = FIRST_SECONDS + length(strikes)
        steps = min(MOST_STEPS, round(seconds * STEPS_PER_SECOND))
        people = shop.buyers(plan.customers, plan.seed)
        customers = [buyer.person.customer() for buyer in people]
        await _open_shop(scenario, people, plan)
        say(f"up and imported after {clock.monotonic() - began:.1f} s; a season of {steps} steps in {seconds:.0f} s")
        end = shop.SEASON_START + steps * STEP_MS
        count = round(seconds * EVENTS_PER_SECOND) if plan.events is None else plan.events
        load = workload(customers, count, start=shop.SEASON_START, end=end, seed=plan.seed, merges=plan.merges)
        scenario.malformed.update(load.malformed)
        chaos = Chaos(scenario, plan, say, customers)
        await _spoil(stack.sandbox_url, plan)
        events = [(at, one) for at, one in shop.season(people, plan.seed) if at <= end]
        season = sorted([*events, *load.events], key=lambda pair: pair[0])
        try:
            await _live(chaos, strikes, season, end, seconds)
            await _spoil(stack.sandbox_url, msgspec.structs.replace(plan, spoiled={}))
            await at_rest(scenario, within=plan.rest_within)
        except TimeoutError as error:
            return _result(chaos, load, began, red=[f"no rest: {error}"])
        verdict, answer, report = await judge(
            scenario,
            Shop(),
            epoch_ms=retail.DAY,
            planted={one.place for one in chaos.planted if one.topic != topics.CUSTOMER_EVENTS.name},
        )
        seen = await _seen(chaos, verdict)
        books = conservation.accounts(answer, seen)
        keyring = Keyring.load(stack.secrets.keyring)

        def unseal(field: str, sealed: bytes) -> bytes:
            return keyring.open_bytes("dead-letter", field, sealed)

        poison = conservation.check_poison(answer, chaos.planted, seen.letters, unseal)
        checks = [*report.checks, poison]
        red = [f"{one.name}: {one.failures} of {one.compared}" for one in checks if one.failures]
        red += [f"{one.service}: {one.difference} {one.unit} unaccounted for" for one in books if one.difference]
        red += [f"P {verdict.duplicates} messages accepted twice"] if verdict.duplicates else []
        red += [f"E {wrong}" for wrong in await _event_ids(stack.kafka, {one.place for one in chaos.planted})]
        red += ["no id was ever handed over"] if plan.merges and not answer.handovers else []
        verdict = msgspec.structs.replace(verdict, checks=verdict.checks | {poison.name: msgspec.to_builtins(poison)})
        return _result(chaos, load, began, red=red, verdict=verdict, accounts=books, answer=answer)


async def _open_shop(scenario: PatientScenario, people: list[shop.Buyer], plan: Plan) -> None:
    """Two years of orders imported, everybody introduced."""
    stack = scenario.stack
    await scenario.tick(shop.SEASON_START)
    await retail.publish(stack, plays.POLICY)
    history = stack.directory / "history.csv"
    shop.write_history(history, people, plan.seed)
    options = ("--baseline", format_instant(shop.SEASON_START), "--confirm-forecast")
    await retail.import_file(stack, history, *options, zone="Asia/Shanghai")
    await scenario.post([event for buyer in people for event in introduction(buyer.person, shop.SEASON_START)])


async def _spoil(sandbox_url: str, plan: Plan) -> None:
    """Let the providers answer as the plan says, from the next call on."""
    async with httpx2.AsyncClient(base_url=sandbox_url, timeout=30.0, trust_env=False) as client:
        for channel in CHANNELS:
            script = {"seed": plan.seed, "mix": dict(plan.spoiled), "hang_ms": plan.hang_ms}
            (await client.post("/faults", json={"channel": channel, "script": script})).raise_for_status()


async def _live(chaos: Chaos, strikes: list[Strike], season: list[tuple[int, Event]], end: int, seconds: float) -> None:
    """The season and the faults side by side."""
    watching = asyncio.create_task(chaos.watch())
    living = asyncio.create_task(chaos.scenario.live(season, until=end, step_ms=STEP_MS, seconds=seconds))
    try:
        await chaos.carry_out(strikes, FAULTS)
        await living
        await asyncio.sleep(2 * CALM_SECONDS)
    finally:
        for task in (living, watching):
            task.cancel()
        await asyncio.gather(living, watching, return_exceptions=True)


async def _seen(chaos: Chaos, verdict: Verdict) -> Seen:
    """What the books are made of."""
    kafka, planted = chaos.stack.kafka, {one.place for one in chaos.planted}

    async def read(topic: topics.Topic) -> list[LogRecord]:
        records = await read_topic(kafka, topic.name)
        return [record for record in records if (topic.name, record.partition, record.offset) not in planted]

    decisions, _ = outputs.decisions_of(await read(topics.OUTREACH_DECISIONS))
    return Seen(
        acked=chaos.scenario.acked,
        profile_updates=conservation.told_facts(await read(topics.PROFILE_UPDATES)),
        segment_updates=conservation.told_facts(await read(topics.SEGMENT_UPDATES)),
        decisions=conservation.different_decisions(decisions),
        commands=conservation.different_commands(outputs.commands_of(await read(topics.OUTREACH_COMMANDS))),
        outbox=sum(verdict.outbox.values()),
        letters=outputs.dead_letters_of(await read(topics.DEAD_LETTERS)),
        planted=chaos.planted,
    )


async def _event_ids(kafka: str, planted: set[tuple[str, int, int]]) -> list[str]:
    """Public records that share a `ce_id` with another record, or that have two ids."""
    return event_ids.breaches(
        [
            Emit(topic, one.partition, one.key, one.value or b"", one.headers)
            for topic in sorted(event_ids.PUBLIC)
            for one in await read_topic(kafka, topic)
            if (topic, one.partition, one.offset) not in planted
        ]
    )


def recoveries(acts: list[Act], samples: list[Sample]) -> tuple[float, ...]:
    """For each act, seconds from its start until the chain was calm and up for a second after it; -1 if it never was."""
    return tuple(_recovery(act, samples) for act in acts)


def _recovery(act: Act, samples: list[Sample]) -> float:
    since: float | None = None
    for sample in samples:
        if sample.at < act.at + act.seconds:
            continue
        if sample.lag >= CALM_LAG or not sample.up:
            since = None
        else:
            since = sample.at if since is None else since
            if sample.at - since >= CALM_SECONDS:
                return round(since - act.at, 2)
    return -1.0


def _result(
    chaos: Chaos,
    load: Workload,
    began: float,
    *,
    red: list[str],
    verdict: Verdict | None = None,
    accounts: list[Account] | None = None,
    answer: Answer | None = None,
) -> Run:
    held, red = Counter(load.counts), [*red, *chaos.broken]
    if answer is not None:
        fates = [counts for one in answer.customers.values() for counts in one.fates.values()]
        held["beyond the ring"] = sum(max(0, counts["applied"] - 1) for counts in fates)
        held["refused by ingest"] = chaos.scenario.refused
        held["hand-overs"] = answer.handovers
    return Run(
        name=chaos.plan.name,
        reproduce=chaos.plan.reproduce,
        seed=chaos.plan.seed,
        ok=not red,
        red=tuple(red),
        seconds=round(clock.monotonic() - began, 1),
        kills=tuple(chaos.kills),
        with_lag=sum(kill.in_flight > 0 for kill in chaos.kills),
        acts=tuple(chaos.acts),
        faults=dict(Counter(act.fault for act in chaos.acts)),
        recoveries=recoveries(chaos.acts, chaos.samples),
        restarts={name: chaos.supervisor.restarts(name) for name in VICTIMS},
        sent_again=dict(chaos.scenario.retries),
        workload=dict(held),
        accounts=tuple(accounts or ()),
        verdict=verdict,
    )
