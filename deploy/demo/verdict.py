"""The end of a run: everything at rest, the oracle's answer beside the chain's, written down; judges, changes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.demo.scenario import Scenario
from shared import clock
from shared.contract.topics import CUSTOMER_EVENTS, PROFILE_UPDATES, SEGMENT_UPDATES
from shared.shop import Shop
from tests.oracle.answers import Answer
from tests.oracle.checkers import Report, report
from tests.oracle.fold import fold_log
from tests.oracle.observe import Place, observe
from tests.oracle.reader import by_partition, read_topic

IN_FLIGHT = ("pending", "sending", "unknown", "awaiting_staff")
"""The sandbox's staff confirm by themselves after a while (HUITOU_SANDBOX_CONFIRM_AFTER_MS)."""


class Verdict(msgspec.Struct, frozen=True):
    """The figures of a run."""

    ok: bool
    events: int
    """Events accepted over HTTP."""
    customers: int
    orders: int
    commands: dict[str, int]
    """Rule → messages commanded."""
    decisions: dict[str, dict[str, int]]
    """Rule → reason → decisions."""
    classes: dict[str, int]
    stages: dict[str, int]
    outbox: dict[str, int]
    """State → commands."""
    accepted: int
    """Messages that the sandbox took."""
    duplicates: int
    """Messages that the sandbox took more than once."""
    checks: dict[str, dict[str, Any]]


async def outbox_states(database_url: str) -> dict[str, int]:
    """State → commands in the notifier's outbox."""
    engine = create_async_engine(database_url)
    try:
        async with engine.connect() as connection:
            rows = await connection.execute(sa.text("SELECT state, count(*) FROM notifier.outbox GROUP BY state"))
            return {str(state): int(count) for state, count in rows}
    finally:
        await engine.dispose()


async def at_rest(scenario: Scenario, *, within: float = 180.0) -> None:
    """Returns when the chain has no lag and the outbox nothing in flight; TimeoutError otherwise."""
    deadline = clock.monotonic() + within
    while True:
        await scenario.settled(within=deadline - clock.monotonic())
        states = await outbox_states(scenario.stack.database_url)
        if not any(states.get(state) for state in IN_FLIGHT):
            await scenario.settled(within=deadline - clock.monotonic())
            return
        if clock.monotonic() > deadline:
            raise TimeoutError(f"the outbox did not come to rest within {within:.0f} s: {states}")
        await asyncio.sleep(0.5)


async def judge(
    scenario: Scenario, shop: Shop, *, epoch_ms: int, planted: Collection[Place] = frozenset()
) -> tuple[Verdict, Answer, Report]:
    """Fold the log by the oracle and compare with what the services and the sandbox say; `planted` as for `observe`."""
    kafka = scenario.stack.kafka
    log, *inner = [
        by_partition(
            record
            for record in await read_topic(kafka, topic.name)
            if (topic.name, record.partition, record.offset) not in planted
        )
        for topic in (CUSTOMER_EVENTS, PROFILE_UPDATES, SEGMENT_UPDATES)
    ]
    answer = await asyncio.to_thread(fold_log, log, shop, epoch_ms=epoch_ms, scenario=True, inner=inner)
    accepted = await accepted_by_command(scenario.stack.sandbox_url)
    found = report(answer, await observe(kafka, acked=frozenset(scenario.acked), accepted=accepted, planted=planted))
    states = await outbox_states(scenario.stack.database_url)
    return _verdict(scenario, answer, found, states, accepted), answer, found


async def accepted_by_command(sandbox_url: str) -> dict[str, int]:
    """Command id → messages that the sandbox accepted."""
    async with httpx2.AsyncClient(base_url=sandbox_url, timeout=60.0, trust_env=False) as client:
        channels = (await client.get("/log/count")).json()["commands"]
    counts: Counter[str] = Counter()
    for commands in channels.values():
        counts.update(commands)
    return dict(counts)


def _verdict(
    scenario: Scenario, answer: Answer, found: Report, states: dict[str, int], accepted: dict[str, int]
) -> Verdict:
    people = [one for one in answer.customers.values() if one.steps]
    decisions: dict[str, Counter[str]] = defaultdict(Counter)
    for one in people:
        for decision in one.decisions:
            decisions[decision.rule][decision.reason] += 1
    return Verdict(
        ok=found.ok,
        events=scenario.posted,
        customers=len(people),
        orders=sum(one.profile.orders for one in people),
        commands=dict(sorted(Counter(command.rule for one in people for command in one.commands).items())),
        decisions={rule: dict(sorted(reasons.items())) for rule, reasons in sorted(decisions.items())},
        classes=dict(sorted(Counter(one.segments.rfm for one in people).items())),
        stages=dict(sorted(Counter(one.segments.lifecycle for one in people).items())),
        outbox=dict(sorted(states.items())),
        accepted=sum(accepted.values()),
        duplicates=sum(count - 1 for count in accepted.values()),
        checks={check.name: msgspec.to_builtins(check) for check in found.checks},
    )


def write(result: object, name: str, root: Path) -> Path:
    """The result as `.local/results/NAME.json` of the checkout."""
    file = root / ".local" / "results" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    return file
