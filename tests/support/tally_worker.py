"""`python -m tests.support.tally_worker [--off FENCE,…]`: the tally on a real host (HUITOU_HOST), as a process that tests may kill."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from shared.engine.fold.batch import Emit
from shared.engine.fold.rules import Rule
from shared.engine.host.kafka_host import HostSettings, KafkaHost
from shared.engine.host.worker import run_host, run_until_told
from shared.engine.recovery.effects import Appended, Targets
from shared.telemetry.process import begin
from tests.support.tally import BrokenFold, TallyFold


class Freezing:
    """Targets that stop their own process (SIGSTOP) right before a batch goes to the changelog."""

    def __init__(self, targets: Targets, changelog: str) -> None:
        self._targets, self._changelog, self._armed = targets, changelog, True

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> Sequence[Appended] | None:
        if self._armed and topic == self._changelog:
            self._armed = False
            os.kill(os.getpid(), signal.SIGSTOP)
        return await self._targets.send(topic, partition, records)


class TallyHost(KafkaHost):
    """Freezes in its next send after SIGUSR1."""

    def freeze(self) -> None:
        self.rounds.targets = Freezing(self.rounds.targets, self.rounds.changelog)  # type: ignore[assignment]


def main() -> None:
    telemetry = begin("profile")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--off", default="")
    given, sys.argv[1:] = parser.parse_known_args()  # the rest is for Faust's own command line
    off = frozenset(Rule[name] for name in given.off.split(",") if name)
    session, snapshots = float(os.environ.get("HUITOU_SESSION", "10")), os.environ.get("HUITOU_SNAPSHOTS")
    settings = HostSettings(
        bootstrap=os.environ["HUITOU_KAFKA"],
        instance=os.environ.get("HUITOU_INSTANCE"),
        session=session,
        heartbeat=session / 4,
        scenario=True,
        snapshots=Path(snapshots) if snapshots else None,
    )
    fold = BrokenFold if os.environ.get("HUITOU_TALLY") == "broken" else TallyFold
    if os.environ.get("HUITOU_HOST") == "faust":
        run_host("faust", lambda _: fold(), settings, seal=lambda *_: "c2VhbGVk", off=off, telemetry=telemetry)
    else:
        host = TallyHost(lambda _: fold(), settings, seal=lambda *_: "c2VhbGVk", off=off, telemetry=telemetry)
        uvloop.run(_run(host))


async def _run(host: TallyHost) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, host.freeze)
    await run_until_told(host)


if __name__ == "__main__":
    main()
