"""A slowed build burns the share that was asked for, in its folds and nowhere else."""

from __future__ import annotations

import runpy
import time
from pathlib import Path

import pytest

from tests.bench.versus.builds import ROOT
from tests.bench.versus.slowed import FOLD_CLASS, FOLD_FILES, slow

FOLD = '''"""A fold."""

import time


class ShopFold:
    def on_record(self, state, record, context):
        end = time.process_time() + 0.0005
        while time.process_time() < end:
            pass
        return state
'''


def cost(file: Path, calls: int = 200) -> float:
    fold = runpy.run_path(str(file))["ShopFold"]()
    began = time.process_time()
    for _ in range(calls):
        assert fold.on_record("state", None, None) == "state"
    return time.process_time() - began


def test_a_fold_burns_the_share_and_gives_what_it_gave(tmp_path: Path) -> None:
    file = tmp_path / "services" / "shop" / "fold.py"
    file.parent.mkdir(parents=True)
    file.write_text(FOLD, encoding="utf-8")
    before = cost(file)

    assert slow(tmp_path, 0.5) == [file]

    assert cost(file) / before == pytest.approx(1.5, abs=0.2)


def test_every_fold_of_this_tree_can_be_slowed() -> None:
    found = [FOLD_CLASS.search(file.read_text(encoding="utf-8")) for file in ROOT.glob(FOLD_FILES)]

    assert {one.group(1) for one in found if one} == {"ProfileFold", "SegmenterFold", "TriggerFold"}


def test_a_tree_without_folds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no fold"):
        slow(tmp_path, 0.05)
