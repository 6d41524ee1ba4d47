"""Pace and sorting: what may be on its way follows the chain's rate; more than memory holds comes out sorted."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.pace import LEAST, Pace
from services.ingest.imports.sorting import Sorter


def settled(rate: int) -> Pace:
    """After ten seconds of a chain that takes `rate` records per second and is never idle."""
    pace = Pace(delay=0.1).seen(1_000, 0, 100.0)
    for tenth in range(1, 101):
        pace = pace.seen(1_000, rate // 10, 100.0 + tenth / 10)
    return pace


def test_the_window_is_what_the_chain_takes_within_the_delay() -> None:
    assert settled(4_000).window == 400
    assert settled(20).window == LEAST
    assert settled(10**6).window == 5_000
    assert not settled(4_000).free


def test_an_idle_chain_is_free_and_a_stalled_one_is_not() -> None:
    assert Pace().seen(0, 100, 1.0).free
    stalled = Pace().seen(500, 500, 1.0)
    for second in range(2, 60):
        stalled = stalled.seen(500, 0, float(second))
    assert not stalled.free


def test_a_bound_given_by_the_caller_holds() -> None:
    assert Pace(most=10).seen(11, 0, 1.0).free is False
    assert Pace(most=10).seen(10, 0, 1.0).free is True


@given(st.lists(st.tuples(st.integers(-5, 5), st.text("ab", max_size=2)), max_size=60), st.integers(1, 3_000))
def test_sorted_on_disk_is_sorted_in_memory(tmp_path_factory: object, keys: list[tuple[int, str]], budget: int) -> None:
    folder = Path(str(tmp_path_factory.getbasetemp()))  # type: ignore[attr-defined]
    with Sorter(folder, budget=budget) as sorter:
        for number, key in enumerate(keys):
            sorter.add(key, str(number).encode())
        found = [(entry.key, int(entry.body)) for entry in sorter.merged()]
    assert found == sorted(zip(keys, range(len(keys)), strict=True))
