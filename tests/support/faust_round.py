"""`python -m tests.support.faust_round`: one round of the Faust host whose event was fetched before the last rebalance."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

from shared.streams.faust_host import FaustHost, _or_die
from shared.streams.kafka_host import HostSettings
from tests.support.tally import TallyFold


def main() -> None:
    host = FaustHost(lambda _: TallyFold(), HostSettings(bootstrap="nowhere:9"), seal=lambda *_: "")
    host.app.consumer_generation_id = 2
    message = SimpleNamespace(
        partition=0, offset=0, key=b"c1", value=b"{}", timestamp=0.0, generation_id=int(sys.argv[1])
    )
    host.rounds.owned[0] = SimpleNamespace(next=1)
    host.rounds.targets = SimpleNamespace()
    asyncio.run(_or_die(host._round([message])))


if __name__ == "__main__":
    main()
