"""Real input at a time when all of it is old: each gate against imports alone suffices, and without any of them many hear."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest

from tests.demo.imports import gates
from tests.support.stack import jar_cache

pytestmark = [pytest.mark.data, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def first_days(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file's first 5,000 rows: the proof needs few orders, and runs four times."""
    shorter = tmp_path_factory.mktemp("retail") / "online_retail.csv.gz"
    with gzip.open(data / "online_retail.csv.gz", "rb") as whole, gzip.open(shorter, "wb") as part:
        part.writelines(itertools.islice(whole, 5_001))
    return shorter


@pytest.mark.parametrize("on", ["", "mode", "age", "send_by"])
async def test_any_one_gate_against_imports_suffices(first_days: Path, tmp_path: Path, on: str) -> None:
    result = await gates(tmp_path / "stack", first_days, on=on, cache=jar_cache())

    if on:
        assert result.sent == 0
    else:
        assert result.sent > 100, "with all gates off nothing fires: the other runs prove nothing"
