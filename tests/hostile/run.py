"""One whole attack: processes, corpus, bombs, slow clients, sums. Knows the order of it; judges nothing itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.hostile.attack import attack
from tests.hostile.bodies import BODIES, BOMBS
from tests.hostile.corpus import EXPONENTS, Case, corpus
from tests.hostile.memory import Peak
from tests.hostile.slow import Borne, slow_clients
from tests.hostile.target import Target, target
from tests.hostile.verdict import Sums, add_up, topics_of

MOST_GROWTH: Final = 64 << 10
"""KiB that one request may cost."""
HEAVY: Final = (*BOMBS, "50 MB", "100,000 lists deep", "100,000 objects deep", "a megabyte of digits", "10,000 keys")
"""Bodies whose memory is measured one by one."""


class Grown(NamedTuple):
    """What one request cost."""

    case: str
    kib: int


class Report(NamedTuple):
    """Everything about one attack."""

    sums: dict[str, Sums]
    """By the shop's currency."""
    grown: tuple[Grown, ...]
    """The largest first; empty where the machine does not tell."""
    slow: tuple[Borne, ...]

    @property
    def wrong(self) -> list[str]:
        """Everything that is not as it must be."""
        found = [f"{currency}: {each}" for currency, sums in self.sums.items() for each in sums.wrong]
        found += [f"{each.case}: {each.kib} KiB" for each in self.grown if each.kib > MOST_GROWTH]
        return found + [f"{each.name}: {each.surprise}" for each in self.slow if each.surprise]


async def run(folder: Path, kafka: str, say: Callable[[str], None], *, slow: bool = True) -> Report:
    """Attack a process per currency; `slow` adds the clients that take their time."""
    sums: dict[str, Sums] = {}
    grown: tuple[Grown, ...] = ()
    borne: list[Borne] = []
    cases = corpus()
    for currency in EXPONENTS:
        mine = [case for case in cases if case.currency == currency]
        say(f"{len(mine)} requests to a shop of {currency}")
        async with target(folder / currency, kafka, currency) as shop:
            if currency == "CNY":
                grown = await _grown(shop, mine)
            dawdling = asyncio.create_task(_slow(shop, wanted=slow and currency == "CNY"))
            outcomes = await attack(shop.address, shop.key, mine)
            borne += await dawdling
        sums[currency] = add_up(outcomes, await topics_of(kafka, shop.source))
    return Report(sums, grown, tuple(borne))


async def _slow(shop: Target, *, wanted: bool) -> list[Borne]:
    return await slow_clients(shop.port, shop.key) if wanted else []


async def _grown(shop: Target, cases: list[Case]) -> tuple[Grown, ...]:
    """The heavy bodies one at a time; they are sent once more with the others and stored neither time."""
    peak = Peak(shop.pid)
    if not peak.measured:
        return ()
    heavy = [case for case in cases if case.name.startswith("/") and case.name.partition(": ")[2] in HEAVY]
    assert {*HEAVY} <= {*BODIES, *BOMBS}
    found = []
    for case in heavy:
        peak.begin()
        await attack(shop.address, shop.key, [case])
        found.append(Grown(case.name, peak.growth()))
    return tuple(sorted(found, key=lambda each: -each.kib))
