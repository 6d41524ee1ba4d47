"""The shared data set: where it is, and that its tests are not skipped where it is; knows no content."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def data_directory() -> Path:
    """HUITOU_DATA, by default `../shared/data` seen from the checkout; it need not exist."""
    return Path(os.environ.get("HUITOU_DATA", ROOT / ".." / "shared" / "data")).resolve()
