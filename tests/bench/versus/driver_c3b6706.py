"""`python driver_c3b6706.py PACKAGE FOLDER`, run at the root of c3b6706: what its own repeat.py would be.

PACKAGE is the name of its bench. Protocol as in repeat.py; every module is imported by name from the build around it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from importlib import import_module
from itertools import islice
from pathlib import Path


async def main(bench: str, folder: Path) -> None:
    """Members settled, then one repetition per line of standard input."""
    sys.path.insert(0, str(Path.cwd()))
    own = import_module(f"{bench}.in_process")
    own.cpu.own = time.process_time  # finer than the 10 ms of its own clock
    at, policy = json.loads((folder / "terms.json").read_bytes())
    shop, collector = own.Shop(), own.Collector()
    intake = own.intake_into(collector, shop, at)
    hops = [own.Hop(make) for make in own.folds(shop)]

    async def turn(bodies: list[bytes], before: list[object]) -> dict[str, float]:
        collector.records = []
        gc.collect()
        gc.freeze()
        spent = {"intake": await own.take(intake, bodies)}
        gc.unfreeze()
        emits = [*before, *own.facts(collector.records)]
        for hop in hops:
            emits, spent[hop.fold.name] = hop.feed(emits, at)
        return spent

    standing = [*own.broadcast(own.PolicyPublished(1, policy)), *own.broadcast(own.Tick(at, scenario=True))]
    await turn((folder / "settled.jsonl").read_bytes().splitlines(), standing)
    day = iter((folder / "day.jsonl").read_bytes().splitlines())
    for line in sys.stdin:
        known = [hop.steps for hop in hops]
        spent = await turn(list(islice(day, int(line))), [])
        steps = {hop.steps - before for hop, before in zip(hops, known, strict=True)}
        sys.stdout.write(json.dumps({"seconds": spent, "steps": sorted(steps)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
