"""Real input at a time when all of it is old: each gate against imports alone suffices, and without any of them many hear.

Without any gate the messages go out through broker, notifier and providers; what each gate stops is seen on the same folds
and the notifier's last look in this process.
"""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest

from deploy.demo import plays, retail
from tests.demo.imports import LONG_AFTER, OFF, gates
from tests.oracle.known_answers import SHOP
from tests.support.rehearsed import Rehearsed
from tests.support.stack import jar_cache

pytestmark = [pytest.mark.data, pytest.mark.timeout(300)]
MANY = 100


@pytest.fixture(scope="module")
def first_days(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file's first 3,000 rows: the proof needs few orders."""
    shorter = tmp_path_factory.mktemp("retail") / "online_retail.csv.gz"
    with gzip.open(data / "online_retail.csv.gz", "rb") as whole, gzip.open(shorter, "wb") as part:
        part.writelines(itertools.islice(whole, 3_001))
    return shorter


@pytest.mark.parametrize("on", ["", "mode", "age", "send_by"])
async def test_any_one_gate_against_imports_suffices(first_days: Path, tmp_path: Path, on: str) -> None:
    rehearsed = await _rehearsed(first_days, tmp_path, on)

    if on:
        assert rehearsed.decisions, "nothing was decided: the run proves nothing"
        assert rehearsed.sent() == []
    else:
        assert len(rehearsed.sent()) > MANY
        result = await gates(tmp_path / "stack", first_days, on=on, cache=jar_cache())
        assert result.sent > MANY, "with all gates off nothing fires: the other runs prove nothing"


async def _rehearsed(file: Path, folder: Path, on: str) -> Rehearsed:
    """As `gates`, in this process."""
    rehearsed = Rehearsed(folder, SHOP, off=OFF[on])
    rehearsed.tick(LONG_AFTER)
    rehearsed.publish(plays.POLICY)
    await rehearsed.tell(retail.introductions(sorted({sale.member for sale in retail.sales(file)}), LONG_AFTER))
    rehearsed.import_file(file, baseline=LONG_AFTER, mode="import" if on == "mode" else "live")
    return rehearsed
