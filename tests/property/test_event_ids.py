"""T5: over linked people, erasures, unlinks, crashes and retries one `ce_id` stands for one public record, and one record has one id."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable
from functools import partial

import pytest

from services.ingest.link_memory import Links
from services.rehearsal.pipeline import Hop, folds
from shared.contract.broadcasts import PolicyPublished, ResyncRequested, Tick
from shared.contract.identity import Unlinked
from shared.contract.topics import OUTREACH_DECISIONS, SEGMENT_CHANGES, SEGMENTS
from shared.engine.fold.batch import Emit
from shared.shop import DAY
from tests.support.event_ids import ALWAYS, breaches, counted
from tests.support.linked.batch import Told
from tests.support.linked.chain import HOMES, SHOP, Chain
from tests.support.linked.history import HOUR, POLICY, T0, erased_now_and_then, history, live, person_of
from tests.support.world import Worker, World, run

HISTORIES = int(os.environ.get("HUITOU_HISTORIES", "24"))
MAKES = folds(SHOP, epoch_ms=10_000 * DAY)


@pytest.mark.timeout(60 + HISTORIES)
def test_t5_whoever_is_linked_and_split_off_every_record_has_an_id_of_its_own() -> None:
    assert {seed: wrong[:3] for seed in range(HISTORIES) if (wrong := breaches(_lived(seed).records()))} == {}


@pytest.mark.timeout(60 + HISTORIES)
def test_t5_what_is_written_again_after_a_crash_has_the_id_that_it_had() -> None:
    seen, written = Counter[str](), 0
    for seed in range(HISTORIES // 2):
        world = _killed(seed)
        records = [record for record in world.records() if record.topic in ALWAYS]
        assert breaches(records) == [], seed
        assert _named(records) == _named(_folded_once(world)), seed
        seen += Counter(counted(records))
        written += len(records)
    assert min(seen[topic.name] for topic in (OUTREACH_DECISIONS, SEGMENT_CHANGES, SEGMENTS)) > HISTORIES, seen
    assert written > seen.total() + HISTORIES, "nothing was written twice"


def _named(records: Iterable[Emit]) -> set[tuple[str, bytes | None, bytes, bytes]]:
    return {(one.topic, one.key, one.value, dict(one.headers).get("ce_id", b"")) for one in records}


def _folded_once(world: World) -> list[Emit]:
    """The public records of the same logs without any crash."""
    emits: list[Emit] = []
    for make in MAKES:
        for home in HOMES:
            hop = Hop(make, partitions=(home,), seal=lambda *_: "sealed")
            for batch in hop.take(home, world.log(hop.fold.input, home)):
                emits += batch.emits
    return [emit for emit in emits if emit.topic in ALWAYS]


def _lived(seed: int) -> Chain:
    """A history with erasures and unlinks, some of its batches emitted twice."""
    rnd = random.Random(f"event ids {seed}")
    chain = Chain()
    chain.repeats = random.Random(seed)
    told: list[Told | Unlinked] = list(erased_now_and_then(history(rnd, conflicts=seed % 2 == 0).told, rnd))
    names = sorted({name for one in told if isinstance(one, Told) for name in one.ids})
    for name in rnd.sample(names, min(2, len(names))):
        told.insert(rnd.randint(1, len(told)), Unlinked(name))
    live(told, rnd, chain, lag=True)
    return chain


def _killed(seed: int) -> World:
    """People whose ids are linked in any order, a policy in force, and workers that die a dozen times between any two effects."""
    rnd = random.Random(f"killed {seed}")
    world = World()
    _everywhere(world, PolicyPublished(1, POLICY))
    now = T0 + 20 * DAY
    for number, one in enumerate(history(rnd).told):
        person = person_of(one.ids)
        for record in Links().of(person):
            world.append(record)
        world.put("customer-events-v1", person.customer, one.fact, at=one.fact.at)
        if rnd.random() < 0.4:
            now += rnd.choice((0, HOUR, 20 * DAY))
            _everywhere(world, Tick(now, scenario=True))
        if rnd.random() < 0.1:
            _everywhere(world, ResyncRequested(number + 1))
    _everywhere(world, Tick(now + 100 * DAY, scenario=True))
    workers = [Worker(world, partial(make, home), home, size=rnd.choice((1, 3, 8))) for make in MAKES for home in HOMES]
    world.crash_at = frozenset(rnd.sample(range(1, 250), 25))
    run(rnd.sample(workers, len(workers)))
    return world


def _everywhere(world: World, record: PolicyPublished | Tick | ResyncRequested) -> None:
    for home in HOMES:
        world.put("customer-events-v1", None, record, partition=home)
