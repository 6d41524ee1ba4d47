"""`python -m tests.bench.repeat FOLDER`: intake and the three folds in this process, again and again, as JSON.

FOLDER holds `terms.json` (instant and policy), `settled.jsonl` and `day.jsonl` (request bodies of the typed API). Each
line of standard input is a number of bodies of the day to take next; the answer is a line
`{"seconds": {name: CPU seconds}, "steps": [steps of a fold]}`. tests/bench/versus compares two builds by it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from services.rehearsal.pipeline import broadcast
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.engine.fold.batch import Emit
from shared.shop import Shop
from tests.bench.in_process import Collector, facts, hops, intake_into, take


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """What holds for all repetitions."""

    at: int
    """Scenario instant, ms."""
    policy: dict[str, Any]


class Repeated(msgspec.Struct, frozen=True):
    """One repetition."""

    seconds: dict[str, float]
    """`intake` or the name of a fold → CPU seconds."""
    steps: list[int]
    """Steps that the folds took; one number where all agree."""


class Repetition:
    """The chain in memory. States grow from one repetition to the next, as they do in a service."""

    def __init__(self, at: int) -> None:
        self._at, self._collector, shop = at, Collector(), Shop()
        self._intake = intake_into(self._collector, shop, at)
        self._hops = hops(shop)

    async def turn(self, bodies: Sequence[bytes], before: Sequence[Emit] = ()) -> Repeated:
        """The bodies through intake, and what it wrote, behind `before`, through the folds."""
        self._collector.records = []
        spent = {"intake": await take(self._intake, bodies)}
        emits, steps = [*before, *facts(self._collector.records)], set()
        for hop in self._hops:
            known = hop.steps
            emits, spent[hop.fold.name] = hop.feed(emits, self._at)
            steps.add(hop.steps - known)
        return Repeated(spent, sorted(steps))


async def main(folder: Path) -> None:
    """Settle the members, then a repetition per line until standard input ends."""
    terms = msgspec.json.decode((folder / "terms.json").read_bytes(), type=Terms)
    chain = Repetition(terms.at)
    standing = [*broadcast(PolicyPublished(1, terms.policy)), *broadcast(Tick(terms.at, scenario=True))]
    await chain.turn((folder / "settled.jsonl").read_bytes().splitlines(), standing)
    day = iter((folder / "day.jsonl").read_bytes().splitlines())
    for line in sys.stdin:
        repeated = await chain.turn(list(islice(day, int(line))))
        sys.stdout.write(msgspec.json.encode(repeated).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
