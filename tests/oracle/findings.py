"""How a check reports: a count of what was compared and its differences by name; knows nothing of what is compared."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

EXAMPLES = 10


class Difference(msgspec.Struct, frozen=True):
    """One thing on which the services and the oracle disagree."""

    where: str
    expected: str
    got: str


class Check(msgspec.Struct, frozen=True):
    """One checker's result: `repeats` are identical records that at-least-once delivery wrote again."""

    name: str
    compared: int
    failures: int
    examples: tuple[Difference, ...]
    """The first of them."""
    repeats: int = 0


def tally(name: str, compared: int, found: Sequence[Difference], *, repeats: int = 0) -> Check:
    """A check from all its differences."""
    return Check(name, compared, len(found), tuple(found[:EXAMPLES]), repeats)
