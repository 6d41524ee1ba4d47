"""`python -m tests.support.tally_worker`: the tally on the real Kafka host, as a process that tests may kill."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

from shared import log
from shared.streams.batch import Emit
from shared.streams.effects import Appended, Targets
from shared.streams.kafka_host import HostSettings, KafkaHost
from shared.streams.rules import Rule
from tests.support.tally import TallyFold


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


async def main() -> None:
    log.setup()
    off = frozenset(Rule[name] for name in os.environ.get("HUITOU_RULES_OFF", "").split(",") if name)
    session = float(os.environ.get("HUITOU_SESSION", "10"))
    settings = HostSettings(
        bootstrap=os.environ["HUITOU_KAFKA"],
        instance=os.environ.get("HUITOU_INSTANCE"),
        session=session,
        heartbeat=session / 4,
        scenario=True,
        off=off,
    )
    host = TallyHost(lambda _: TallyFold(), settings, seal=lambda *_: "sealed")
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, host.stop)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, host.freeze)
    await host.run()


if __name__ == "__main__":
    asyncio.run(main())
