"""The columns that batches keep, cell by changed cell, are those that recovery computes from the changelog."""

from __future__ import annotations

import msgspec
import numpy as np

from shared.contract.broadcasts import Tick
from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.engine.state.head import PARTITION_KEY
from shared.engine.step.partition import Partition
from tests.support.tally import QUIET_MS, Tally, TallyFold


class Record(msgspec.Struct, frozen=True):
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0


def _core() -> Partition[Tally]:
    return Partition(TallyFold(), partition=0, seal=lambda *_: "", scenario=True)


def test_the_columns_of_batches_are_those_of_a_recovery() -> None:
    core, changelog, offset = _core(), dict[bytes, bytes](), 0
    for number in range(60):
        at = number * 100
        said = 0 if number % 4 == 3 else at  # a late order moves the total alone
        order = OrderPlaced(id=f"e{number}", at=said, order_id=f"o{number}", amount=1, currency="CNY")
        tick = Tick(at + QUIET_MS * (number % 20 == 0), scenario=True)  # now and then nobody has anything due
        for key, record in ((f"c{number % 5}".encode(), order), (None, tick)):
            core.apply(Record(offset, key, encode(record)))
            offset += 1
        if number % 4 == 0:
            batch = core.drain()
            changelog |= dict(batch.customers) | {PARTITION_KEY: batch.values}
            recovered = _core()
            for key, value in changelog.items():
                recovered.restore(key, value)
            recovered.restored()
            assert recovered.store.keys == core.store.keys
            for name, column in core.store.columns.items():
                np.testing.assert_array_equal(recovered.store.columns[name], column, err_msg=name)
