"""The adapter is chosen by what a tree holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.versus.adapters import DRIVER, LAUNCH, adapter
from tests.bench.versus.builds import ROOT


def tree(root: Path, *files: tuple[str, ...]) -> Path:
    for file in files:
        place = root.joinpath(*file)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return root


@pytest.mark.parametrize("place", ["deploy", "tests"])
def test_a_tree_with_a_command_for_repetitions_is_asked_by_it(tmp_path: Path, place: str) -> None:
    found = adapter(tree(tmp_path, (place, "bench", "repeat.py"), (place, "bench", "in_process.py")))

    assert found.in_process == ("-m", f"{place}.bench.repeat")
    assert found.job == ("-m", f"{place}.bench.aggregator.ours")


def test_a_tree_from_before_that_command_is_driven_by_our_driver(tmp_path: Path) -> None:
    place = "deploy"
    found = adapter(tree(tmp_path, (place, "bench", "in_process.py")))

    assert found.in_process == (str(DRIVER), f"{place}.bench")
    assert DRIVER.exists()


def test_this_tree_has_an_adapter_and_its_commands_are_there() -> None:
    found = adapter(ROOT)

    assert found.stack == (str(LAUNCH),)
    assert LAUNCH.exists()
    for module in (found.in_process[1], found.job[1]):
        place = ROOT.joinpath(*module.split("."))
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


def test_a_layout_without_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="write an adapter"):
        adapter(tmp_path)
