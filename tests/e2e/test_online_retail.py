"""Real input through the whole chain: the published figures, exactly, and not one message.

The whole file is part of `make proof`; `make test` imports its first months, with answers of the same independent fold.
HUITOU_IMPORT_WHOLE=1 adds the import of the purchases alone, with the published classes and stages.
"""

from __future__ import annotations

import gzip
import itertools
import os
from pathlib import Path

import pytest

from tests.demo.imports import Imported, run_a
from tests.support.stack import jar_cache

pytestmark = [pytest.mark.data, pytest.mark.timeout(900)]
ROWS = 40_000
"""Of the file's first months."""

KILLED = pytest.param(True, 3, id="with returns, killed three times")
PURCHASES = pytest.param(False, 0, id="purchases")


@pytest.mark.proof
@pytest.mark.parametrize(("returns", "kills"), [KILLED, PURCHASES] if "HUITOU_IMPORT_WHOLE" in os.environ else [KILLED])
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


async def test_its_first_months_imported_give_every_customer_the_known_answer_and_no_command(
    data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "online_retail.csv.gz"
    with gzip.open(data / "online_retail.csv.gz", "rb") as whole, gzip.open(file, "wb") as part:
        part.writelines(itertools.islice(whole, ROWS + 1))
    result: Imported = await run_a(tmp_path / "stack", file, returns=True, kills=3, brief=True, cache=jar_cache())

    assert result.compared["differences"] == {}
    assert result.compared["customers"] > 800
    assert result.compared["figures"]["orders"][1] > 1_200
    assert (result.commands, result.sent) == (0, 0)
