"""A source's declaration is in force by its own source and instant, survives a restart, and goes down the chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from services.rehearsal.pipeline import folds
from shared.contract.broadcasts import SourceCompleted
from shared.contract.codec import encode
from shared.contract.origin import Origin
from shared.engine.fold.fold import Fold
from shared.engine.step.partition import Partition
from shared.shop import Shop
from tests.support.world import Stored

_read = msgspec.json.Decoder(SourceCompleted).decode
PARTITION = b"\xff partition"


def core(fold: Fold[Any], *declared: SourceCompleted, first: int = 0) -> Partition[Any]:
    """A partition after these declarations; `first` is the place of the first."""
    partition: Partition[Any] = Partition(fold, partition=0, seal=lambda *_: "", scenario=True)
    take(partition, *declared, first=first)
    return partition


def take(partition: Partition[Any], *declared: SourceCompleted, first: int) -> None:
    for offset, each in enumerate(declared, first):
        assert not partition.apply(Stored(offset, None, encode(each)))


def told(partition: Partition[Any]) -> list[tuple[str, int, Origin | None]]:
    """What goes to the next hop."""
    read = [_read(emit.value) for emit in partition.drain().emits]
    return [(each.source, each.until, each.origin) for each in read]


def hops() -> Sequence[Fold[Any]]:
    return [make(0) for make in folds(Shop(), epoch_ms=60_000)]


def profile() -> Fold[Any]:
    return hops()[0]


def test_each_source_has_its_own_and_only_a_later_one_applies() -> None:
    partition = core(
        profile(), *(SourceCompleted(*each) for each in [("pos", 5), ("oms", 3), ("pos", 5), ("pos", 4), ("oms", 9)])
    )

    assert [(source, until) for source, until, _ in told(partition)] == [("pos", 5), ("oms", 3), ("oms", 9)]


def test_it_carries_its_place_down_the_chain() -> None:
    first, second, _ = hops()
    ((source, until, origin),) = told(core(first, SourceCompleted("pos", 5)))
    again = told(core(second, SourceCompleted(source, until, origin)))

    assert origin == Origin(1, 0, 0)
    assert again == [("pos", 5, origin)]


def test_it_survives_a_restart_and_a_repetition_then_says_nothing() -> None:
    batch = core(profile(), SourceCompleted("pos", 5), SourceCompleted("oms", 3)).drain()
    again = core(profile())
    again.restore(PARTITION, batch.values)
    again.restored()
    take(again, SourceCompleted("pos", 5), SourceCompleted("oms", 4), first=2)

    assert [(source, until) for source, until, _ in told(again)] == [("oms", 4)]


def test_the_trigger_engine_knows_them_again_after_a_restart() -> None:
    place = Origin(1, 0, 0)
    batch = core(hops()[2], SourceCompleted("pos", 5, place), SourceCompleted("oms", 3, place)).drain()
    fold: Any = hops()[2]
    again = core(fold)
    again.restore(PARTITION, batch.values)
    again.restored()

    assert fold._book.declared == {"pos": 5, "oms": 3}


@pytest.mark.parametrize(
    "value",
    [
        {"source": "POS", "until": 1},
        {"source": "pos", "until": -1},
        {"source": "pos"},
        {"source": "a" * 65, "until": 1},
    ],
)
def test_what_nobody_can_have_meant_is_a_dead_letter(value: dict[str, Any]) -> None:
    partition = core(profile())
    partition.apply(Stored(0, None, encode({"type": "source.completed"} | value)))

    assert partition.drain().poison == 1
