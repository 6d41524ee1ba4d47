"""Real input through the whole chain: the published figures, exactly, and not one message; each import gate alone suffices."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest

from deploy.demo.imports import gates, run_a
from tests.support.stack import jar_cache

pytestmark = [pytest.mark.data, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("returns", "kills"), [(False, 0), (True, 3)], ids=["purchases", "with returns, killed three times"]
)
async def test_the_whole_file_imported_gives_the_published_answers_and_no_command(
    data: Path, tmp_path: Path, *, returns: bool, kills: int
) -> None:
    file = data / "online_retail.csv.gz"
    result = await run_a(tmp_path / "stack", file, returns=returns, kills=kills, cache=jar_cache())

    figures = result.compared["figures"]
    assert result.compared["differences"] == {}
    assert figures["customers"][1] == 4338
    assert figures["orders"][1] == 18532
    assert figures["revenue, net"][1] == ("8310477.054" if returns else "8911407.904")
    assert figures["cut days"][1] == ["2011-11-27", "2011-11-07", "2011-09-29", "2011-06-13"]
    if not returns:
        important = [figures[f"important_{name}"][1] for name in ("value", "develop", "keep", "winback")]
        general = [figures[f"general_{name}"][1] for name in ("value", "develop", "keep", "winback")]
        stages = [figures[name][1] for name in ("churned", "silent", "loyal", "active", "new")]
        assert (important, general) == ([911, 154, 366, 304], [117, 566, 108, 1812])
        assert stages == [1449, 1261, 1020, 577, 31]
    assert (result.commands, result.sent) == (0, 0)


@pytest.fixture(scope="module")
def first_days(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file's first 10,000 rows: the proof needs few orders, and runs four times."""
    shorter = tmp_path_factory.mktemp("retail") / "online_retail.csv.gz"
    with gzip.open(data / "online_retail.csv.gz", "rb") as whole, gzip.open(shorter, "wb") as part:
        part.writelines(itertools.islice(whole, 10_001))
    return shorter


@pytest.mark.parametrize("on", ["", "mode", "age", "send_by"])
async def test_any_one_gate_against_imports_suffices(first_days: Path, tmp_path: Path, on: str) -> None:
    result = await gates(tmp_path / "stack", first_days, on=on, cache=jar_cache())

    if on:
        assert result.sent == 0
    else:
        assert result.sent > 100, "with all gates off nothing fires: the other runs prove nothing"
