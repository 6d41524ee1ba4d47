"""The position of a customer-events record: origins order the records of one customer at every hop."""

from __future__ import annotations

from typing import NamedTuple

NEVER = 2**63 - 1
"""The due instant of a customer for whom nothing is due."""


class Origin(NamedTuple):
    """Position of the customer-events record that caused a record; origins rise per customer at every hop."""

    epoch: int
    partition: int
    offset: int
    step: int = 0


NOWHERE = Origin(0, 0, -1, 0)
"""Below every origin."""
