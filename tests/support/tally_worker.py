"""`python -m tests.support.tally_worker`: the tally on the real Kafka host, as a process that tests may kill."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from shared import log
from shared.streams.kafka_host import HostSettings, KafkaHost
from shared.streams.rules import Rule
from tests.support.tally import TallyFold


async def main() -> None:
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
    host = KafkaHost(lambda _: TallyFold(), settings, seal=lambda *_: "sealed")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, host.stop)
    await host.run()


if __name__ == "__main__":
    asyncio.run(main())
