"""The oracle as the judge of a run: the log folded by it, beside what the services and the sandbox say."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

import msgspec

from deploy.demo.scenario import Scenario
from deploy.demo.verdict import Findings, Verdict, accepted_by_command, outbox_states
from shared.contract.topics import CUSTOMER_EVENTS, PROFILE_UPDATES, SEGMENT_UPDATES
from shared.shop import Shop
from tests.demo.known_figures import compare
from tests.oracle.answers import Answer
from tests.oracle.checkers import Report, report
from tests.oracle.fold import fold_log
from tests.oracle.observe import Place, observe
from tests.oracle.reader import by_partition, read_topic


async def findings(scenario: Scenario, shop: Shop, *, epoch_ms: int, file: Path | None) -> Findings:
    """As `Judge`."""
    verdict, _, _ = await judge(scenario, shop, epoch_ms=epoch_ms)
    return Findings(verdict=verdict, known={} if file is None else await compare(scenario.stack, file))


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
