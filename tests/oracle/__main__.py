"""`python -m tests.oracle audit`: compares a running stack with the oracle and prints a table; decides nothing."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from shared.contract import topics
from shared.shop import Shop, load_shop
from tests.oracle.checkers import Report, report
from tests.oracle.fold import fold_log
from tests.oracle.observe import observe
from tests.oracle.reader import by_partition, read_topic

INNER = (topics.PROFILE_UPDATES, topics.SEGMENT_UPDATES)


class _Files(msgspec.Struct, frozen=True):
    shop: Shop
    acked: list[str] | None
    accepted: dict[str, int] | None


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 if everything agrees, 1 if anything differs."""
    options = _parser().parse_args(arguments)
    files = _Files(
        shop=load_shop(options.shop.read_bytes()),
        acked=options.acked.read_text().split() if options.acked else None,
        accepted=msgspec.json.decode(options.accepted.read_bytes(), type=dict[str, int]) if options.accepted else None,
    )
    found = asyncio.run(_audit(options, files))
    _show(found)
    return 0 if found.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    audit = parser.add_subparsers(required=True, metavar="audit").add_parser("audit", help="compare a stack at rest")
    audit.add_argument("--kafka", required=True, help="bootstrap address, host:port")
    audit.add_argument("--shop", required=True, type=Path, help="the shop's JSON file")
    audit.add_argument("--epoch-ms", type=int, default=60_000, help="milliseconds between two RFM epochs")
    audit.add_argument("--scenario", action="store_true", help="the stack runs on the scenario clock")
    audit.add_argument("--acked", type=Path, help="ids of accepted events, one per line")
    audit.add_argument("--accepted", type=Path, help='JSON of the sandbox: {"command id": accepted messages}')
    return parser


async def _audit(options: argparse.Namespace, files: _Files) -> Report:
    front = await read_topic(options.kafka, topics.CUSTOMER_EVENTS.name)
    inner = [by_partition(await read_topic(options.kafka, topic.name)) for topic in INNER]
    answer = fold_log(
        by_partition(front), files.shop, epoch_ms=options.epoch_ms, scenario=options.scenario, inner=inner
    )
    return report(answer, await observe(options.kafka, acked=files.acked, accepted=files.accepted))


def _show(found: Report) -> None:
    table = Table("check", "compared", "repeats", "differences", title="Huitou against its oracle")
    for check in found.checks:
        style = "red" if check.failures else "green"
        table.add_row(check.name, f"{check.compared:,}", f"{check.repeats:,}", f"{check.failures:,}", style=style)
    console = Console()
    console.print(table)
    for check in found.checks:
        for difference in check.examples:
            console.print(f"{check.name}: {difference.where}", style="red", markup=False)
            console.print(f"  expected {difference.expected}\n  got      {difference.got}", markup=False)
    for name in found.left_out:
        console.print(f"left out, not given: {name}", markup=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
