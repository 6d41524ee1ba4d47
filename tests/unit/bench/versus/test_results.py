"""The figures stand in bench.json under their part, and a part that runs again replaces its own."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.bench.figures import Figure
from tests.bench.report import read
from tests.bench.versus.readings import Compared, Quartiles
from tests.bench.versus.results import Load, Part, figures, summary, written

SLOWER = Compared(
    figure="through all hops",
    unit="events/s",
    base=4_000.0,
    this=3_600.0,
    ratio=Quartiles(0.89, 0.9, 0.91),
    again=Quartiles(0.99, 1.0, 1.01),
    verdict="slower",
    ratios=(0.89, 0.9, 0.91),
)
SHOWN = Compared(
    figure="CPU of cuts",
    unit="s per 100,000 events",
    base=0.2,
    this=0.3,
    ratio=Quartiles(1.4, 1.5, 1.6),
    again=Quartiles(0.9, 1.0, 1.1),
    verdict="shown",
)


def part(name: str, *found: Compared) -> Part:
    return Part(name=name, base="b", this="t", pairs=3, load=Load(0.5, 1.5), seconds=60.0, figures=found)


def test_a_figure_has_value_baseline_and_the_median_ratio_and_one_that_counts_has_its_quartiles() -> None:
    found = {one.name: one for one in figures(part("chain", SLOWER, SHOWN))}

    place = "versus/chain/through all hops"
    assert found[place] == Figure(place, 3_600.0, "events/s", 4_000.0, 0.9)
    assert found[f"{place}, lower quartile"].value == 0.89
    assert found[f"{place}, base against itself, upper quartile"].value == 1.01
    assert found["versus/chain/CPU of cuts"].ratio == 1.5
    assert not any(name.startswith("versus/chain/CPU of cuts,") for name in found)
    assert found["versus/chain/load average after"].value == 1.5


def test_a_part_replaces_itself_and_leaves_the_others(tmp_path: Path) -> None:
    written(part("chain", SLOWER), tmp_path)
    written(part("rest", SHOWN), tmp_path)
    written(part("chain", SHOWN), tmp_path)

    names = {one.name.rpartition(",")[0] or one.name for one in read(tmp_path / ".local" / "results" / "bench.json")}
    assert "versus/rest/CPU of cuts" in names
    assert "versus/chain/CPU of cuts" in names
    assert "versus/chain/through all hops" not in names
    whole = msgspec.json.decode((tmp_path / ".local" / "results" / "versus.json").read_bytes(), type=dict[str, Part])
    assert whole["chain"].figures[0] == SHOWN
    assert whole["rest"].load == Load(0.5, 1.5)


def test_what_is_slower_is_named() -> None:
    found = [part("chain", SLOWER, SHOWN), part("rest", SHOWN)]

    assert [one.slower for one in found] == [["through all hops"], []]
    assert summary(found) == ["chain: slower in through all hops", "rest: not slower"]
