"""Slows a build on purpose: its folds burn a share more CPU per event. Shows that the comparison finds so little."""

from __future__ import annotations

import re
from pathlib import Path

FOLD_FILES = "services/*/fold.py"
FOLD_CLASS = re.compile(r"^class (\w+Fold)\b", re.MULTILINE)
BURN = '''

def _slowed(step, share, each=100, kept=5):
    """`step`; after `each` calls CPU for `share` of what so many usually cost this process: decode, step, encode, drain.

    What they usually cost is the median of the last `kept` times: other work of the process may fall into one of them.
    """
    import time
    from collections import deque
    from statistics import median

    calls, last, costs = 0, time.process_time(), deque(maxlen=kept)

    def burning(*arguments):
        nonlocal calls, last
        calls += 1
        if calls % each == 0:
            now = time.process_time()
            costs.append(now - last)
            enough = now + median(costs) * share
            while (last := time.process_time()) < enough:
                pass
        return step(*arguments)

    return burning


{name}.on_record = _slowed({name}.on_record, {share!r})
'''


def slow(root: Path, share: float) -> list[Path]:
    """Every fold of the tree at `root` burns `share` more CPU per record; the files changed. ValueError where there is none."""
    changed = []
    for file in sorted(root.glob(FOLD_FILES)):
        source = file.read_text(encoding="utf-8")
        found = FOLD_CLASS.search(source)
        if found is not None:
            file.write_text(source + BURN.format(name=found.group(1), share=share), encoding="utf-8")
            changed.append(file)
    if not changed:
        raise ValueError(f"{FOLD_FILES}: no fold there that could be slowed")
    return changed
