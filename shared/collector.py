"""How seldom Python looks for cycles of garbage; knows nothing of what is kept."""

from __future__ import annotations

import gc
from typing import Final

YOUNG: Final = 50_000
"""Container objects made beyond those freed before the youngest are looked at: a batch in hand has some ten thousand, none in a cycle."""


def calm() -> None:
    """Never look again at what start-up made, and seldom at the rest; call it once, when all modules are loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
