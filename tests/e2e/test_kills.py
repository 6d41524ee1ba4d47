"""A short run of mixed faults while a season flows through the chain: the log's answer and the services' stay the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.plan import Plan
from tests.chaos.run import run
from tests.support.stack import jar_cache

pytestmark = pytest.mark.timeout(400)

FAULTS = ("burst", "poison", "scale", "stop", "kill", "kill")
"""Seven SIGKILLs, one more among four workers, a zombie, and records that nobody can take."""


async def test_mixed_faults_lose_double_and_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(kills=0, faults=FAULTS, customers=250, events=1_500, every=0.9)
    with capsys.disabled():
        result = await run(tmp_path / "stack", plan, print, cache=jar_cache())

    assert result.verdict is not None, result.red
    assert result.red == ()
    assert result.verdict.checks, "nothing was compared"
    assert len(result.kills) == 8
    assert result.with_lag >= 6, "too few kills met records in flight: the run proves little"
    assert sum(result.restarts.values()) >= 8
    assert all(count > 0 for count in result.verdict.commands.values())
    assert result.verdict.checks["T planted poison"]["compared"] > 400
    assert [account.difference for account in result.accounts] == [0] * 5
