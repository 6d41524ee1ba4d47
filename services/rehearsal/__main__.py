"""`python -m services.rehearsal audit`: folds the log again between two checkpoints and compares. The only reader of the environment."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import uvloop
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from services.rehearsal.audit import Audit, Folded
from services.rehearsal.checkpoints import CheckpointError, Taken, two
from services.rehearsal.pipeline import folds
from services.rehearsal.settings import AuditSettings
from shared import log, usage
from shared.contract.topics import PARTITIONS, STATEFUL
from shared.engine.fold.rules import BrokenInvariantError
from shared.kafka.clients import reader
from shared.shop import Shop

COMMANDS: Final = {
    "audit [--from CHECKPOINT] [--to CHECKPOINT]": "fold the log again between two checkpoints, and compare every customer",
}
SHOWN: Final = 20
"""Differences told of each service and partition; the others are counted."""
DIFFERENT: Final = 1
REFUSED: Final = 2


def main(arguments: Sequence[str]) -> int:
    """0: nothing differs; 1: something does; 2 after a sentence: it cannot be told."""
    usage.answer("services.rehearsal", "", COMMANDS, arguments)
    given = _parser().parse_args(arguments)
    log.setup()
    try:
        settings = AuditSettings()
        earlier, later = two(settings.snapshots, given.earlier, given.later)
        return uvloop.run(_audit(settings, settings.shop(), earlier, later))
    except ValidationError as error:
        return _refuse("; ".join(f"HUITOU_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()))
    except msgspec.MsgspecError as error:
        return _refuse(f"HUITOU_SHOP_FILE: {error}")
    except (CheckpointError, BrokenInvariantError, OSError) as error:
        return _refuse(str(error))
    except KafkaError as error:
        return _refuse(f"the broker failed: {error}")


async def _audit(settings: AuditSettings, shop: Shop, earlier: Taken, later: Taken) -> int:
    makes = folds(shop, epoch_ms=settings.epoch_ms, scenario=settings.scenario)
    consumer, totals = reader(settings.kafka), Counter[tuple[str, str]]()
    sys.stdout.write(f"from checkpoint {earlier.number} to {later.number}\n")
    await consumer.start()
    try:
        audit = Audit(makes, consumer, scenario=settings.scenario)
        for number in range(PARTITIONS):
            async for folded in audit.partition(number, earlier.paths, later.paths):
                _tell(folded)
                for name in ("customers", "records", "said"):
                    totals[folded.service, name] += getattr(folded, name)
                totals[folded.service, "different"] += len(folded.differences)
    finally:
        await consumer.stop()
    for service in STATEFUL:
        figures = (f"{totals[service, name]} {name}" for name in ("customers", "records", "said", "different"))
        sys.stdout.write(f"{service}: {', '.join(figures)}\n")
    return DIFFERENT if any(totals[service, "different"] for service in STATEFUL) else 0


def _tell(folded: Folded) -> None:
    for difference in itertools.islice(folded.differences, SHOWN):
        sys.stdout.write(f"{difference}\n")
    if (more := len(folded.differences) - SHOWN) > 0:
        sys.stdout.write(f"{folded.service}[{folded.partition}]: and {more} more\n")


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"rehearsal: {sentence}\n")
    return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.rehearsal")
    audit = parser.add_subparsers(required=True, metavar="command").add_parser(
        "audit",
        help="fold the log again between two checkpoints",
        description="Fold every customer from one checkpoint's snapshots and the logs to a second one, and compare.",
    )
    latest = "number that `python -m services.profile checkpoint` told"
    audit.add_argument(
        "--from", dest="earlier", type=int, metavar="CHECKPOINT", help=f"{latest}; default: the one before"
    )
    audit.add_argument("--to", dest="later", type=int, metavar="CHECKPOINT", help=f"{latest}; default: the latest")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
