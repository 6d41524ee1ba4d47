"""`python -m services.rehearsal.forecast RECORDS --baseline MS`: prints what would fall due after an import as JSON; sends nothing.

RECORDS is what `services.ingest.imports` prepared. Shop and broker are named by HUITOU_SHOP_FILE and HUITOU_KAFKA.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from services.rehearsal.forecast.expected import customers_of, expect
from services.rehearsal.forecast.in_force import SECONDS, policy_in_force
from shared.contract.broadcasts import PolicyPublished
from shared.contract.frames import frames
from shared.contract.prepared_records import PreparedRecord, prepared_records
from shared.language.policy_file import read_policy_file
from shared.shop import load_shop

HIGHEST = 2**31
"""Number of a policy that is read from a file."""


def main() -> int:
    """0 after the forecast was written."""
    parser = argparse.ArgumentParser(prog="python -m services.rehearsal.forecast", description=__doc__)
    parser.add_argument("records", type=Path)
    parser.add_argument("--baseline", type=int, required=True, help="logical time at the import's start, ms")
    parser.add_argument("--policy", type=Path, help="instead of the policy in force")
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    os.nice(10)  # live events go first
    shop = load_shop(Path(os.environ["HUITOU_SHOP_FILE"]).read_bytes())
    policy = _policy(given.policy)
    customers = customers_of(_groups(given.records))
    found = expect(_groups(given.records), baseline=given.baseline, shop=shop, policy=policy, customers=customers)
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
    return 0


def _policy(file: Path | None) -> PolicyPublished | None:
    if file is not None:
        return PolicyPublished(HIGHEST, read_policy_file(file))
    return asyncio.run(_within())


async def _within() -> PolicyPublished | None:
    try:
        async with asyncio.timeout(SECONDS):
            return await policy_in_force(os.environ["HUITOU_KAFKA"])
    except TimeoutError:
        return None


def _groups(records: Path) -> Iterator[list[PreparedRecord]]:
    with records.open("rb") as file:
        for frame in frames(file):
            yield prepared_records(frame.body)


if __name__ == "__main__":
    sys.exit(main())
