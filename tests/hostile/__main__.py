"""`python -m tests.hostile`: a broker and an ingest of its own, the whole corpus, one screen of sums; ends with 0 or 1."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from deploy.create_topics import create
from deploy.stack.stack import Stack
from tests.hostile.run import Report, run

SHOWN = 5


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def told(report: Report) -> list[str]:
    """The report as lines."""
    lines = []
    for currency, sums in report.sums.items():
        lines.append(
            f"{currency}: {sums.requests} requests with {sums.events} events: {sums.stored} stored, {sums.refused} refused, "
            f"{sums.rejected} rejected, {sums.failures} failures, {sums.again} sent again; slowest answer {sums.slowest_ms} ms"
        )
    total = sum(sums.requests for sums in report.sums.values()) + len(report.slow)
    lines += [f"memory: {each.kib / 1024:.1f} MiB for {each.case}" for each in report.grown[:SHOWN]]
    kinds = {each.name: each for each in sorted(report.slow, key=lambda each: each.seconds)}
    lines += [f"slow, {name}: cut after {each.seconds:.1f} s {each.answer}".rstrip() for name, each in kinds.items()]
    lines += [f"WRONG {each}" for each in report.wrong]
    return [*lines, f"{total} cases, {len(report.wrong)} wrong"]


async def _attack() -> int:
    with tempfile.TemporaryDirectory(prefix="huitou-hostile-") as folder:
        async with Stack(directory=Path(folder) / "stack", durable=False) as stack:
            await create(stack.kafka)
            report = await run(Path(folder), stack.kafka, _say)
    _say("\n".join(told(report)))
    return int(bool(report.wrong))


if __name__ == "__main__":
    sys.exit(asyncio.run(_attack()))
