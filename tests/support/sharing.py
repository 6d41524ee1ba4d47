"""How files are shared out among workers: those that live in one house go to one worker, and the long ones begin."""

from __future__ import annotations

from typing import Final

import pytest
from xdist.scheduler import LoadFileScheduling

HOUSE: Final = (
    "tests/e2e/test_canary.py",
    "tests/e2e/test_counts.py",
    "tests/e2e/test_erasure.py",
    "tests/e2e/test_letters.py",
    "tests/e2e/test_refusals.py",
    "tests/e2e/test_unlink.py",
    "tests/integration/test_declarations.py",
    "tests/integration/test_health.py",
    "tests/integration/test_hooks.py",
    "tests/sdks/test_sdks.py",
)
"""Files whose tests ask for the house: on two workers they would start it twice."""
BEGIN: Final = (HOUSE, ("tests/e2e",), ("tests/integration",), ("tests/property",))
"""Files and folders in the order of how long they take: whoever ends with a long one works alone."""


def rank(nodeid: str) -> int:
    """Where the test stands in BEGIN; everything else comes last."""
    return next((place for place, names in enumerate(BEGIN) if nodeid.startswith(names)), len(BEGIN))


def lives_in_house(item: pytest.Item | None) -> bool:
    """Whether the test is in a file of the house."""
    return item is not None and item.nodeid.startswith(HOUSE)


class FilesAndHouse(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """As `--dist=loadfile`, with the house's files as one."""

    def _split_scope(self, nodeid: str) -> str:
        return "house" if nodeid.startswith(HOUSE) else str(super()._split_scope(nodeid))
