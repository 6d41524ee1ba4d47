"""More than memory holds comes out sorted, each key's entries in the order in which they came."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.imports.sorting import Sorter


@given(st.lists(st.tuples(st.integers(-5, 5), st.text("ab", max_size=2)), max_size=60), st.integers(1, 3_000))
def test_sorted_on_disk_is_sorted_in_memory(tmp_path_factory: object, keys: list[tuple[int, str]], budget: int) -> None:
    folder = Path(str(tmp_path_factory.getbasetemp()))  # type: ignore[attr-defined]
    with Sorter(folder, budget=budget) as sorter:
        for number, key in enumerate(keys):
            sorter.add(key, str(number).encode())
        found = [(entry.key, int(entry.body)) for entry in sorter.merged()]
    assert found == sorted(zip(keys, range(len(keys)), strict=True))
