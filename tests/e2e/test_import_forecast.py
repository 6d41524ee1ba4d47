"""A forecast that was shown and confirmed is what the running chain then does; unconfirmed, nothing of it fires.

The confirmed import goes through importer, broker and services; the unconfirmed one through the same folds in this process.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from deploy.demo import plays, retail, shop
from deploy.demo.people import DAY
from deploy.demo.scenario import Scenario
from deploy.stack.stack import Stack
from services.ingest.imports.jobs import Jobs
from services.rehearsal.forecast.expected import WITHIN, customers_of, expect
from shared.contract.frames import frames
from shared.contract.prepared_records import prepared_records
from shared.contract.public_records import CandidateDecided, SegmentChanged
from shared.contract.topics import OUTREACH_DECISIONS, SEGMENT_CHANGES
from shared.instants import format_instant, parse_zone
from shared.shop import Shop
from tests.oracle.reader import read_topic
from tests.support import import_files
from tests.support.rehearsed import Rehearsed
from tests.support.stack import jar_cache

pytestmark = pytest.mark.timeout(400)
CHAIN = ("profile", "segmenter", "trigger-engine")
START = shop.SEASON_START
ZONE = "Asia/Shanghai"


class Season(NamedTuple):
    """What was forecast, and what then happened."""

    forecast: dict[str, Any]
    fates: dict[str, dict[str, int]]
    silent: list[int]


def fates(decisions: Iterable[CandidateDecided]) -> dict[str, dict[str, int]]:
    """Rule → customers by what became of their first candidate."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for decided in decisions:
        if decided.decided_at > START:
            fate = decided.reason if decided.verdict == "skip" else decided.verdict
            found[decided.rule].setdefault(decided.customer, fate)
    return {rule: dict(sorted(Counter(by.values()).items())) for rule, by in sorted(found.items())}


def silent(changes: Iterable[SegmentChanged]) -> list[int]:
    """Customers who fell silent by time alone, within each span of the forecast."""
    moved = [
        (change.effective_at, change.customer)
        for change in changes
        if (change.after, change.cause) == ("silent", "time") and change.effective_at > START
    ]
    return [len({customer for at, customer in moved if at <= START + days * DAY}) for days in WITHIN]


async def on_the_stack(folder: Path, file: Path) -> Season:
    """As a user does it: a dry run, then the import by the digest that it showed."""
    stack = Stack(
        directory=folder / "stack", services=CHAIN, scenario=True, durable=False, brief=True, cache=jar_cache()
    )
    options = ("--baseline", format_instant(START))
    async with stack, Scenario(stack) as scenario:
        await scenario.tick(START)
        await retail.publish(stack, plays.POLICY)
        await scenario.settled(groups=CHAIN)
        said = await retail.import_file(stack, file, *options, "--dry-run", zone=ZONE)
        (job,) = Jobs(Path(stack.environment()["HUITOU_IMPORTS"])).all()
        shown = job.shown()
        assert shown is not None
        forecast: dict[str, Any] = shown.forecast or {}
        (digest,) = re.findall(r"^digest: ([0-9a-f]{16})", said, re.MULTILINE)
        await retail.import_file(stack, file, *options, "--yes", digest, zone=ZONE)
        await scenario.settled(groups=CHAIN)
        for day in range(1, forecast["days"] + 1):
            await scenario.tick(START + day * DAY)
        await scenario.settled(groups=CHAIN)
        decisions = [record.value or b"" for record in await read_topic(stack.kafka, OUTREACH_DECISIONS.name)]
        changes = [record.value or b"" for record in await read_topic(stack.kafka, SEGMENT_CHANGES.name)]
        return Season(
            forecast,
            fates(msgspec.json.decode(value, type=CandidateDecided) for value in decisions),
            silent(msgspec.json.decode(value, type=SegmentChanged) for value in changes),
        )


def rehearsed(folder: Path, file: Path) -> Season:
    """The dry run's forecast, then the import without a digest, in this process."""
    terms: dict[str, Any] = {"zone": parse_zone(ZONE), "baseline": START}
    chain = Rehearsed(folder, Shop())
    chain.tick(START)
    policy = chain.publish(plays.POLICY)
    import_files.read(file, shop=Shop(), confirmed=True, **terms)
    with (file.parent / "records").open("rb") as content:
        groups = [prepared_records(frame.body) for frame in frames(content)]
    forecast = expect(groups, baseline=START, shop=Shop(), policy=policy, customers=customers_of(groups))
    chain.import_file(file, confirmed=False, **terms)
    for day in range(1, forecast.days + 1):
        chain.tick(START + day * DAY)
    return Season(msgspec.to_builtins(forecast), fates(chain.decisions), silent(chain.changes))


@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed", "unconfirmed"])
async def test_what_was_forecast_falls_due_iff_it_was_confirmed(tmp_path: Path, *, confirmed: bool) -> None:
    file = tmp_path / "history.csv"
    shop.write_history(file, shop.buyers(250))
    season = await on_the_stack(tmp_path, file) if confirmed else rehearsed(tmp_path, file)

    rules = season.forecast["rules"]
    assert season.forecast["policy"] is not None, "the policy in force was not found"
    assert list(season.forecast["moves"]["lifecycle silent"].values()) == season.silent
    assert sum(season.silent) > 10
    assert sum(sum(by.values()) for by in rules.values()) > 20
    if confirmed:
        assert season.fates == rules
    else:
        found = {fate for by in season.fates.values() for fate in by}
        assert found == {"import", "consent"}, "consent is asked before the import's gate"
        assert not any("import" in by for by in rules.values())
