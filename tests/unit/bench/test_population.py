"""The large population is real: every copy restores, and the tail steps on what was restored."""

from __future__ import annotations

from shared.contract.partitioner import partition_of
from shared.contract.topics import PARTITIONS
from shared.language.policy_file import read_policy_file
from tests.bench import population, workload
from tests.bench.__main__ import MORNING, POLICY
from tests.bench.in_process import MeasuredHop

MODELS = 150


def test_keys_are_different_and_stand_in_their_own_partition() -> None:
    keys = population.keys(500)

    assert len({key for part in keys for key in part}) == 500
    assert all(partition_of(key) == number for number, part in enumerate(keys) for key in part)


async def test_copies_restore_in_each_hop_and_the_tail_is_all_steps() -> None:
    services = await population.services(at=MORNING, tail=240, policy=read_policy_file(POLICY), models=MODELS)
    keys = population.keys(300)

    for service in services:
        hop = MeasuredHop(service.make)
        for emit in service.states(keys):
            assert emit.key is not None
            hop.partitions[emit.partition].restore(emit.key, emit.value)
        for number, core in hop.partitions.items():
            core.restored()
            assert core.next == sum(emit.partition == number for emit in service.history)
        hop.feed(service.tail, 0)

        linked = MODELS // workload.REACHABLE_EACH  # whose address is an id of its own
        assert sum(len(core.store) for core in hop.partitions.values()) == MODELS + linked + 300
        assert hop.steps == len(service.tail) == 240
    assert len(keys) == PARTITIONS
