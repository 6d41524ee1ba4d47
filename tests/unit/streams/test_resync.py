"""A resync of many customers goes out in parts, each before the next is made, and nothing is persisted before the last."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.contract.broadcasts import PolicyPublished, ResyncRequested
from shared.contract.codec import encode
from shared.engine.fold.batch import Emit
from shared.engine.fold.rules import ALL_ON
from shared.engine.step import partition
from shared.engine.step.partition import Partition
from tests.support.tally import Tally, TallyFold
from tests.support.world import Stored
from tests.unit.streams.test_rules import Sink, _host, _order

CUSTOMERS = 25


class Sizes(Sink):
    """Topic and number of records of every send, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[str, int]] = []

    async def send(self, topic: str, _: int, records: Sequence[Emit]) -> None:
        self.sizes.append((topic, len(records)))


def _log() -> list[Stored]:
    log = [Stored(n, f"c{n}".encode(), _order(n)) for n in range(CUSTOMERS)]
    return [*log, Stored(CUSTOMERS, None, encode(ResyncRequested(1)))]


async def test_the_host_emits_it_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "PART", 10)
    sink = Sizes()
    host, consumer, _ = _host([_log()[:-1], _log()[-1:]], ALL_ON, sink=sink)
    await host._turn()
    sink.sizes.clear()
    await host._turn()

    assert sink.sizes == [
        ("profile-updates-v1", 1 + 10),  # the request itself goes first
        ("profile-updates-v1", 10),
        ("profile-updates-v1", 5),
        ("profile-changelog", 1),
    ]
    assert host.rounds.persisted[0][0] == CUSTOMERS + 1
    assert consumer.committed == [CUSTOMERS], "commits of a busy worker keep apart"


def _core(records: Sequence[Stored]) -> Partition[Tally]:
    core = Partition(TallyFold(), partition=0, seal=lambda *_: "", scenario=True)
    for record in records:
        core.apply(record)
    return core


def test_a_host_that_does_not_ask_for_parts_gets_all_in_the_batch() -> None:
    bundles = [emit.key for emit in _core(_log()).drain().emits]

    assert bundles == [f"c{n}".encode() for n in range(CUSTOMERS)] + [None] + [
        f"c{n}".encode() for n in range(CUSTOMERS)
    ]


def test_who_cannot_be_told_again_is_one_dead_letter() -> None:
    class Broken(TallyFold):
        def current(self, state: Tally, context: object) -> None:
            raise ZeroDivisionError("nothing to tell")

    core = Partition(Broken(), partition=0, seal=lambda *_: "", scenario=True)
    for record in _log():
        core.apply(record)
    batch = core.drain()

    assert batch.poison == CUSTOMERS
    assert batch.next == CUSTOMERS + 1


@pytest.mark.parametrize("number", [-1, 2**53 + 1, 2**70, "now", None])
def test_a_number_that_nobody_can_have_meant_is_a_dead_letter(number: object) -> None:
    core = _core([Stored(0, None, encode({"type": "resync.requested", "number": number}))])

    assert core.drain().poison == 1


def test_a_resync_survives_a_restart_and_the_next_one_applies() -> None:
    core = _core([*_log(), Stored(CUSTOMERS + 1, None, encode(PolicyPublished(1, {"factor": 2})))])
    batch, again = core.drain(), _core([])
    again.restore(b"\xff partition", batch.values)
    again.restored()

    assert not again.apply(Stored(CUSTOMERS + 2, None, encode(ResyncRequested(1))))
    assert again.apply(Stored(CUSTOMERS + 3, None, encode(ResyncRequested(2))))
    told = [emit.value for emit in again.drain().emits]
    assert [b"resync.requested" in value for value in told] == [True, False]
    assert b"policy.published" in told[1]
