"""The order in which three builds run: every build is first, second and third equally often; measures nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from tests.bench.versus.readings import ARMS, Arm, Readings, Round

ORDERS: tuple[tuple[Arm, Arm, Arm], ...] = (
    ("base", "this", "again"),
    ("again", "base", "this"),
    ("this", "again", "base"),
    ("again", "this", "base"),
    ("base", "again", "this"),
    ("this", "base", "again"),
)

Run = Callable[[Arm, int], Awaitable[Readings]]
"""One run of a build in a round; rounds count from 0, which warms up."""


def orders(pairs: int) -> Iterator[tuple[Arm, Arm, Arm]]:
    """The order of each round."""
    for number in range(pairs):
        yield ORDERS[number % len(ORDERS)]


async def in_turn(pairs: int, run: Run, *, warm_up: bool = True) -> list[Round]:
    """`pairs` rounds, one build at a time; before them, with `warm_up`, one that does not count."""
    if warm_up:
        for arm in ARMS:
            await run(arm, 0)
    found: list[Round] = []
    for number, order in enumerate(orders(pairs), 1):
        readings = {arm: await run(arm, number) for arm in order}
        found.append({arm: readings[arm] for arm in ARMS})
    return found
