"""The services' folds through the real engine against the oracle, on random logs; HUITOU_SEEDS says how many."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from services.profile.fold import ProfileFold
from services.rehearsal import pipeline
from services.rehearsal.pipeline import Hop, MakeFold
from shared.contract import topics
from shared.contract.facts import CustomerFact
from shared.engine.fold.fold import Context
from shared.shop import DAY
from tests.oracle import outputs
from tests.oracle.checkers import report
from tests.oracle.reader import LogRecord
from tests.support.random_log import random_log
from tests.support.world import World
from tests.unit.oracle.story import T0, Story, consent, order, sms, traits

KNOWN = (42, 164)
"""Found a difference once: a new policy that judged the age of what waited already."""
SEEDS = (*KNOWN, *range(int(os.environ.get("HUITOU_SEEDS", "18"))))
FAULT_SEEDS = range(20)
"""A fault may need some logs before it shows; the first that differs is enough."""

Makes = Callable[[Story], Sequence[MakeFold]]


def test_the_services_answer_what_the_oracle_answers() -> None:
    assert list(_disagreements(SEEDS, _services)) == []


@pytest.mark.parametrize("scenario", [True, False])
def test_numbers_that_nobody_can_have_meant_are_dead_letters_for_both(*, scenario: bool) -> None:
    story = Story(scenario=scenario).tick(T0, scenario=scenario).policy(sms("thanks", {"on": "ordered"}))
    story.tell(consent(), traits("z", T0, zone="x" * 5_000), order("fine", T0))
    story.tell(order("far", 2**60), order("past", -(2**60)), order("new", T0, version=2**60))
    story.tell(order("rich", T0, 10**15), order("based", T0, mode="import", baseline=10**30))

    assert list(_differences(story, _services, size=100)) == []
    assert len(story.fold().dead) == 5


def test_a_window_that_is_a_day_short_is_caught() -> None:
    class Short(ProfileFold):
        def __init__(self, story: Story) -> None:
            super().__init__(story.shop, scenario=story.scenario)
            self._window -= DAY

    found = _disagreements(FAULT_SEEDS, lambda story: [lambda _: Short(story), *_services(story)[1:]])

    assert any("S profiles" in line for line in found)


def test_a_fact_told_twice_by_a_fold_is_caught() -> None:
    class Twice(ProfileFold):
        def on_record(self, state: Any, record: CustomerFact, context: Context) -> Any:
            return super().on_record(msgspec.structs.replace(state, ring=b""), record, context)

    found = _disagreements(
        FAULT_SEEDS, lambda story: [lambda _: Twice(story.shop, scenario=story.scenario), *_services(story)[1:]]
    )

    assert any("D one effect per event" in line for line in found)


def test_a_gate_left_open_is_caught() -> None:
    careless = partial(_services, gates_off=frozenset({"age"}))

    assert any("C decisions" in line for line in _disagreements(FAULT_SEEDS, careless))


def _services(story: Story, **more: Any) -> Sequence[MakeFold]:
    return pipeline.folds(story.shop, epoch_ms=story.epoch_ms, scenario=story.scenario, **more)


def _disagreements(seeds: Sequence[int], makes: Makes) -> Iterator[str]:
    """One line per seed and check that differs: the seed, the check, the first difference."""
    for seed in seeds:
        for line in _differences(random_log(seed), makes, size=random.Random(seed).choice([1, 7, 100])):
            yield f"seed {seed}: {line}"


def _differences(story: Story, makes: Makes, *, size: int) -> Iterator[str]:
    """One line per check that differs: the check and its first difference."""
    world = _lived(story, makes(story), size=size)
    for check in report(story.fold(), _observed(world)).checks:
        if check.failures and not check.name.startswith("cuts"):  # the log brings cuts of its own, no cut maker made
            first = check.examples[0]
            yield f"{check.name}: {first.where}: expected {first.expected}, got {first.got}"


def _lived(story: Story, makes: Sequence[MakeFold], *, size: int) -> World:
    """What the chain wrote: each fold through the engine, in batches of at most `size` records."""
    world = World()
    hops = [Hop(make, partitions=(0,), together=size, scenario=story.scenario) for make in makes]
    pipeline.Chain(hops, world.append).take({0: story.records})
    return world


def _observed(world: World) -> outputs.Observed:
    end = outputs.chain_end(_records(world, topics.SEGMENT_UPDATES))
    decisions, _ = outputs.decisions_of(_records(world, topics.OUTREACH_DECISIONS))
    return outputs.Observed(
        profiles=end.profiles,
        segments=end.segments,
        effects=end.effects,
        snapshots=outputs.snapshots_of(_records(world, topics.SEGMENTS)),
        changes=outputs.changes_of(_records(world, topics.SEGMENT_CHANGES)),
        commands=outputs.commands_of(_records(world, topics.OUTREACH_COMMANDS)),
        decisions=decisions,
        dead=outputs.dead_letters_of(_records(world, topics.DEAD_LETTERS)),
    )


def _records(world: World, topic: topics.Topic) -> list[LogRecord]:
    return [
        LogRecord(partition, stored.offset, stored.timestamp, stored.key, stored.value)
        for (name, partition), log in sorted(world.logs.items())
        if name == topic.name
        for stored in log
    ]
