"""The simulated broker keeps the contract that the real one keeps: one suite, run on both."""

from __future__ import annotations

import random
import secrets
from typing import Any

import pytest

from shared.engine.recovery.cluster import Cluster, KafkaCluster
from tests.support.broker_contract import CLAUSES, Clause
from tests.support.broker_stage import PARTITIONS
from tests.support.simulated.broker import Broker
from tests.support.simulated.cluster import SimulatedCluster
from tests.support.simulated.loop import Process, VirtualLoop, simulate
from tests.support.stack import Topics

SMALL = 4_000
"""Bytes above which a small topic refuses a batch."""
every_clause = pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)


class RealStage:
    def __init__(self, bootstrap: str, topics: Topics) -> None:
        self.cluster: Cluster = KafkaCluster(bootstrap)
        self._topics = topics

    async def topic(self, *, small: bool = False) -> str:
        config = {"max.message.bytes": str(SMALL)} if small else {}
        return await self._topics.create("contract", partitions=PARTITIONS, config=config)

    def group(self) -> str:
        return f"contract-{secrets.token_hex(4)}"

    def silence(self, member: Any) -> None:
        async def unsent() -> bool:
            return True

        member._coordinator._do_heartbeat = unsent


class SimulatedStage:
    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self._broker = Broker(loop, {})
        process = Process(loop, "contract")
        self.cluster: Any = SimulatedCluster(self._broker, process, random.Random(seed), lambda _: None)

    async def topic(self, *, small: bool = False) -> str:
        name = f"contract-{len(self._broker.topics)}"
        self._broker.topics[name] = range(PARTITIONS)
        if small:
            self._broker.max_bytes[name] = SMALL
        return name

    def group(self) -> str:
        return f"group-{len(self._broker.groups)}"

    def silence(self, member: Any) -> None:
        member._heart.cancel()


@every_clause
async def test_the_real_broker_keeps_it(clause: Clause, broker: str, topics: Topics) -> None:
    await clause(RealStage(broker, topics))


@every_clause
@pytest.mark.parametrize("seed", range(5))
def test_the_simulated_broker_keeps_it(clause: Clause, seed: int) -> None:
    simulate(lambda loop: clause(SimulatedStage(loop, seed)))
