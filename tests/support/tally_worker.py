"""`python -m tests.support.tally_worker`: the tally on a real host (HUITOU_HOST), as a process that tests may kill."""

from __future__ import annotations

import os
from pathlib import Path

from shared import log
from shared.streams.kafka_host import HostSettings
from shared.streams.rules import Rule
from shared.streams.worker import run_host
from tests.support.tally import TallyFold


def main() -> None:
    log.setup()
    off = frozenset(Rule[name] for name in os.environ.get("HUITOU_RULES_OFF", "").split(",") if name)
    snapshots = os.environ.get("HUITOU_SNAPSHOTS")
    settings = HostSettings(
        bootstrap=os.environ["HUITOU_KAFKA"],
        instance=os.environ.get("HUITOU_INSTANCE"),
        scenario=True,
        snapshots=Path(snapshots) if snapshots else None,
        off=off,
    )
    kind = os.environ.get("HUITOU_HOST", "kafka")
    run_host(kind, lambda _: TallyFold(), settings, seal=lambda *_: "sealed")


if __name__ == "__main__":
    main()
