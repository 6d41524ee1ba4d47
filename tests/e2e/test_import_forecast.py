"""A forecast that was shown and confirmed is what the running chain then does; unconfirmed, nothing of it fires."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.demo import plays, retail, shop
from deploy.demo.people import DAY
from deploy.demo.scenario import Scenario
from deploy.stack.stack import Stack
from services.ingest.imports.jobs import Jobs
from shared.contract.public_records import CandidateDecided, SegmentChanged
from shared.contract.topics import OUTREACH_DECISIONS, SEGMENT_CHANGES
from shared.instants import format_instant
from tests.oracle.reader import read_topic
from tests.support.stack import jar_cache

pytestmark = pytest.mark.timeout(400)
CHAIN = ("profile", "segmenter", "trigger-engine")
START = shop.SEASON_START


async def fates(stack: Stack) -> dict[str, dict[str, int]]:
    """Rule → customers by what became of their first candidate, from the log."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for record in await read_topic(stack.kafka, OUTREACH_DECISIONS.name):
        decided = msgspec.json.decode(record.value or b"", type=CandidateDecided)
        if decided.decided_at > START:
            fate = decided.reason if decided.verdict == "skip" else decided.verdict
            found[decided.rule].setdefault(decided.customer, fate)
    return {rule: dict(sorted(Counter(by.values()).items())) for rule, by in sorted(found.items())}


async def silent_within(stack: Stack, days: int) -> int:
    moved = set()
    for record in await read_topic(stack.kafka, SEGMENT_CHANGES.name):
        change = msgspec.json.decode(record.value or b"", type=SegmentChanged)
        if (change.after, change.cause) == (
            "silent",
            "time",
        ) and START < change.effective_at <= START + days * DAY:
            moved.add(change.customer)
    return len(moved)


@pytest.mark.parametrize("confirmed", [True, False], ids=["confirmed", "unconfirmed"])
async def test_what_was_forecast_falls_due_iff_it_was_confirmed(tmp_path: Path, *, confirmed: bool) -> None:
    file = tmp_path / "history.csv"
    shop.write_history(file, shop.buyers(250))
    stack = Stack(
        directory=tmp_path / "stack", services=CHAIN, scenario=True, durable=False, brief=True, cache=jar_cache()
    )
    options = ("--baseline", format_instant(START))
    async with stack, Scenario(stack) as scenario:
        await scenario.tick(START)
        await retail.publish(stack, plays.POLICY)
        await scenario.settled(groups=CHAIN)
        said = await retail.import_file(stack, file, *options, "--dry-run", zone="Asia/Shanghai")
        (job,) = Jobs(Path(stack.environment()["HUITOU_IMPORTS"])).all()
        shown = job.shown()
        assert shown is not None
        forecast: dict[str, Any] = shown.forecast or {}
        (digest,) = re.findall(r"^digest: ([0-9a-f]{16})", said, re.MULTILINE)
        yes = ("--yes", digest) if confirmed else ()
        await retail.import_file(stack, file, *options, *yes, zone="Asia/Shanghai")
        await scenario.settled(groups=CHAIN)
        for day in range(1, forecast["days"] + 1):
            await scenario.tick(START + day * DAY)
        await scenario.settled(groups=CHAIN)
        happened, silent = await fates(stack), [await silent_within(stack, days) for days in (1, 7, 30)]

    assert forecast["policy"] is not None, "the policy in force was not found"
    assert list(forecast["moves"]["lifecycle silent"].values()) == silent
    assert sum(silent) > 10
    assert sum(sum(by.values()) for by in forecast["rules"].values()) > 20
    if confirmed:
        assert happened == forecast["rules"]
    else:
        fates_found = {fate for by in happened.values() for fate in by}
        assert fates_found == {"import", "consent"}, "consent is asked before the import's gate"
        assert not any("import" in by for by in forecast["rules"].values())
