"""The report says what was promised, what was measured, and what was not."""

from __future__ import annotations

import pytest

from tests.bench.figures import Figure
from tests.bench.report import BEGIN, END, markdown, merged, part_of, placed
from tests.bench.targets import TARGETS, judged


def test_a_target_is_met_missed_or_not_measured() -> None:
    figures = [
        Figure("peers: Huitou against Quix Streams", 60_000.0, "events/s", 40_000.0, 1.5),
        Figure("chain: through all hops", 9_999.0, "events/s"),
        Figure("chain: CPU of profile", 5.0, "s per 100,000 events"),
    ]

    found = {one.target.figure: (one.measured, one.met) for one in judged(figures)}

    assert found["peers: Huitou against Quix Streams"] == (1.5, True)
    assert found["chain: through all hops"] == (9_999.0, False)
    assert found["chain: CPU of profile"] == (50.0, True)
    assert found["due: tick → change, p99"] == (None, None)


def test_every_target_names_a_figure_of_its_own() -> None:
    assert len({target.figure for target in TARGETS}) == len(TARGETS)


def test_a_part_that_runs_again_replaces_its_figures_and_no_others() -> None:
    before = [Figure("chain: a", 1.0, "s"), Figure("chain with projector: a", 2.0, "s"), Figure("due: a", 3.0, "ms")]

    kept = merged(before, [Figure("chain: b", 4.0, "s")])

    assert [one.name for one in kept] == ["due: a", "chain: b"]
    assert part_of(before[1]) == "chain"


def test_the_tables_stand_between_the_marks_and_nothing_else_moves() -> None:
    tables = markdown([Figure("due: tick → change, p99", 1_200.0, "ms", 2_400.0, 0.5)])

    page = placed(f"before\n{BEGIN}\nold\n{END}\nafter\n", tables)

    assert page.startswith(f"before\n{BEGIN}\n### Targets")
    assert page.endswith(f"{END}\nafter\n")
    assert "old" not in page
    assert "| due: tick → change, p99 | 1,200 | ms | 2,400 | 0.5 |" in page
    assert "≤ 1,000 ms | 1,200 | **no** |" in page


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        placed("no marks here", "tables")
