"""Twenty SIGKILLs while a season flows through the chain: the log's answer and the services' answer stay the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.chaos.kills import Plan, kill_run
from tests.support.stack import jar_cache

pytestmark = pytest.mark.timeout(400)


async def test_twenty_kills_lose_double_and_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        result = await kill_run(tmp_path / "stack", Plan(kills=20, customers=250), print, cache=jar_cache())

    assert result.verdict.checks, "nothing was compared"
    assert {name: check["examples"] for name, check in result.verdict.checks.items() if check["failures"]} == {}
    assert result.verdict.duplicates == 0
    assert result.with_lag >= 15, "too few kills met records in flight: the run proves little"
    assert sum(result.restarts.values()) >= 20
    assert all(count > 0 for count in result.verdict.commands.values())
