"""Names of the gates, in the order in which a candidate passes them."""

from __future__ import annotations

from typing import Final

GATE_NAMES: Final = (
    "erased",
    "suppressed",
    "half-person",
    "incomplete",
    "consent",
    "import",
    "age",
    "holdout",
    "served",
    "outranked",
    "expired",
    "quiet-hours",
    "cap",
    "channel",
)
