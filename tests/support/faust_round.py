"""`python -m tests.support.faust_round GENERATION:OFFSET,…`: rounds of the Faust host in generation 2, without a broker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from types import SimpleNamespace

from faust.types import TP

from shared.engine.fold.batch import Emit
from shared.engine.host.faust_host import FaustHost, _or_die
from shared.engine.host.kafka_host import HostSettings
from shared.engine.recovery.effects import Targets
from shared.engine.step.partition import Partition
from tests.support.tally import TallyFold


class Nowhere:
    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> None:
        """As `Sink.send`."""


async def main() -> None:
    host = FaustHost(lambda _: TallyFold(), HostSettings(bootstrap="nowhere:9"), seal=lambda *_: "")
    host.app.consumer_generation_id = 2
    host.rounds.owned[0] = Partition(TallyFold(), partition=0, seal=lambda *_: "")
    host.rounds.targets = Targets(Nowhere())
    for argument in sys.argv[1:]:
        if argument == "revoke":
            await host.app.on_partitions_revoked.send({TP(TallyFold.input, 0)})
            continue
        generation, offsets = argument.split(":")
        await _or_die(host._round([_message(int(generation), int(offset)) for offset in offsets.split(",")]))
    sys.stdout.write(f"owned {sorted(host.rounds.owned)}\n")


def _message(generation: int, offset: int) -> SimpleNamespace:
    return SimpleNamespace(partition=0, offset=offset, key=b"c1", value=b"{}", timestamp=0.0, generation_id=generation)


if __name__ == "__main__":
    asyncio.run(main())
