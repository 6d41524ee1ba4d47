"""Snapshot and tail give the changelog's states to the byte, on random logs and for each service; what does not fit is named."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition

from services.rehearsal.pipeline import Hop, MakeFold, folds
from shared.contract import topics
from shared.contract.broadcasts import Checkpoint, ResyncRequested
from shared.contract.codec import encode
from shared.engine.fold.batch import Batch
from shared.engine.fold.rules import BrokenInvariantError
from shared.engine.recovery import snapshot
from shared.engine.recovery.checkpoints import Checkpoints
from shared.engine.recovery.rebuild import Rebuilder
from shared.engine.state.head import PARTITION_KEY
from shared.engine.step.partition import Partition
from shared.log import Log
from tests.support.random_log import random_log
from tests.support.world import Stored, World
from tests.unit.oracle.story import Story

SERVICES = ("profile", "segmenter", "trigger_engine")


class Reader:
    """aiokafka's consumer over a world, as far as a rebuild asks; logs may begin late."""

    def __init__(self, world: World, starts: dict[str, int]) -> None:
        self.world, self.starts = world, starts
        self.place, self.at = TopicPartition("", 0), 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: self.starts.get(place.topic, 0) for place in places}

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: len(self.world.log(*place)) for place in places}

    def assign(self, places: Sequence[TopicPartition]) -> None:
        (self.place,) = places

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert (place, offset) >= (self.place, self.starts.get(place.topic, 0))
        self.at = offset

    async def seek_to_beginning(self, place: TopicPartition) -> None:
        self.seek(place, self.starts.get(place.topic, 0))

    async def position(self, _: TopicPartition) -> int:
        return self.at

    async def getmany(self, place: TopicPartition, *, max_records: int, **_: int) -> dict[TopicPartition, list[Stored]]:
        found = self.world.log(*place)[self.at : self.at + min(max_records, 50)]
        self.at += len(found)
        return {place: found}


class Cluster:
    def __init__(self, world: World, starts: dict[str, int] | None = None) -> None:
        self.world, self.starts = world, starts or {}

    def reader(self) -> Reader:
        return Reader(self.world, self.starts)


def _makes(story: Story) -> dict[str, MakeFold]:
    makes = folds(story.shop, epoch_ms=story.epoch_ms, scenario=story.scenario)
    return dict(zip(SERVICES, makes, strict=True))


def _asked(seed: int) -> Story:
    """A random log with three checkpoints and a resync."""
    story, rnd = random_log(seed), random.Random(seed)
    places = sorted(rnd.sample(range(10, len(story.records)), 3))
    told = Story(scenario=story.scenario, shop=story.shop, epoch_ms=story.epoch_ms)
    for place, record in enumerate(story.records):
        told.raw(None if record.key is None else record.key.decode(), record.value, arrived=record.timestamp)
        if place in places:
            told.raw(None, encode(Checkpoint(place)), arrived=record.timestamp)
        if place == places[1] + 5:
            told.raw(None, encode(ResyncRequested(place)), arrived=record.timestamp)
    return told


def _lived(seed: int, directory: Path) -> tuple[World, Story]:
    """All three services with their changelogs and snapshots."""
    world, story = World(), _asked(seed)
    for record in story.records:
        key = None if record.key is None else record.key.decode()
        world.put(topics.CUSTOMER_EVENTS.name, key, record.value or b"", partition=0, at=record.timestamp)
    for make in _makes(story).values():
        hop = Hop(make, partitions=(0,), together=9, scenario=story.scenario)
        checkpoints = Checkpoints(directory, Log("test"))
        for batch in hop.take(0, list(world.log(hop.fold.input, 0))):
            _settle(world, hop.partitions[0], batch, checkpoints)
        checkpoints._thread.shutdown()
    return world, story


def _settle(world: World, core: Partition[Any], batch: Batch, checkpoints: Checkpoints) -> None:
    for emit in batch.emits:
        world.append(emit)
    log = world.log(_changelog(core.fold.name), 0)
    for key_bytes, value in [*batch.customers, (PARTITION_KEY, batch.values)]:
        log.append(Stored(len(log), key_bytes, value))
    for future in checkpoints._writing.values():
        future.result()
    checkpoints.take(core, batch)


def _changelog(service: str) -> str:
    return f"{service.replace('_', '-')}-changelog"


def _verified(world: World, story: Story, directory: Path, service: str, *, start: int = 0) -> list[str]:
    make_fold = _makes(story)[service]
    cluster: Any = Cluster(world, {make_fold(0).input: start})
    return asyncio.run(Rebuilder(make_fold, cluster, directory, scenario=story.scenario).verify())


@pytest.mark.parametrize("seed", range(4))
def test_snapshot_and_tail_are_the_changelog(seed: int, tmp_path: Path) -> None:
    world, story = _lived(seed, tmp_path)

    for service in SERVICES:
        newest, older = snapshot.paths(tmp_path, service, 0)
        assert _verified(world, story, tmp_path, service, start=int(newest.stem)) == []
        newest.write_bytes(newest.read_bytes()[:-9])
        assert _verified(world, story, tmp_path, service, start=int(older.stem)) == []
        older.unlink()
        assert _verified(world, story, tmp_path, service) == []


def test_a_tail_that_the_log_has_lost_is_named(tmp_path: Path) -> None:
    world, story = _lived(1, tmp_path)
    newest, _ = snapshot.paths(tmp_path, "profile", 0)

    with pytest.raises(BrokenInvariantError, match="no newer snapshot"):
        _verified(world, story, tmp_path, "profile", start=int(newest.stem) + 2)


def test_a_snapshot_of_another_log_is_named(tmp_path: Path) -> None:
    world, story = _lived(1, tmp_path)
    newest, _ = snapshot.paths(tmp_path, "profile", 0)
    log, place = world.log(topics.CUSTOMER_EVENTS.name, 0), int(newest.stem)
    log[place] = msgspec.structs.replace(log[place], value=encode(Checkpoint(99_999)))

    with pytest.raises(BrokenInvariantError, match="another log"):
        _verified(world, story, tmp_path, "profile")


def test_a_snapshot_in_the_wrong_place_is_named(tmp_path: Path) -> None:
    world, story = _lived(1, tmp_path)
    newest, _ = snapshot.paths(tmp_path, "profile", 0)
    newest.write_bytes(snapshot.paths(tmp_path, "segmenter", 0)[0].read_bytes())

    with pytest.raises(BrokenInvariantError, match=r"is of segmenter\[0\]"):
        _verified(world, story, tmp_path, "profile")


@pytest.mark.parametrize("service", SERVICES)
def test_a_state_that_differs_is_named(service: str, tmp_path: Path) -> None:
    world, story = _lived(2, tmp_path)
    log = world.log(_changelog(service), 0)
    last = max(n for n, stored in enumerate(log) if stored.key != PARTITION_KEY)
    key, value = log[last].key, log[last].value
    log[last] = msgspec.structs.replace(log[last], value=value[:-1] + bytes([value[-1] ^ 1]))

    (found,) = _verified(world, story, tmp_path, service)
    assert repr(key) in found


def test_a_batch_that_is_not_persisted_whole_is_no_difference(tmp_path: Path) -> None:
    torn = 0
    for seed in range(2, 6):
        world, story = _lived(seed, tmp_path / str(seed))
        log = world.log(_changelog("profile"), 0)
        assert log.pop().key == PARTITION_KEY
        last = max(n for n, stored in enumerate(log) if stored.key == PARTITION_KEY)
        torn += len(log) > last + 1

        assert _verified(world, story, tmp_path / str(seed), "profile") == []
    assert torn, "in none of these logs does the last batch hold a customer"
