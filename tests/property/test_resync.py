"""A resync and checkpoints anywhere in a random log change no answer; and who has lost everything knows every customer again."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from services.rehearsal.pipeline import Hop, MakeFold
from services.segmenter.fold import SegmenterFold
from services.segmenter.state import Customer
from services.trigger_engine.fold import TriggerFold
from services.trigger_engine.state import State as Decided
from shared.contract import topics
from shared.contract.broadcasts import Checkpoint, ResyncRequested
from shared.contract.bundles import ProfileUpdated, SegmentsUpdated
from shared.contract.codec import encode
from shared.contract.facts import PageViewed
from shared.engine.fold.fold import Context
from shared.engine.step import partition
from shared.engine.step.partition import Partition
from shared.language.facts import Facts
from tests.property.test_oracle_agrees import Makes, _services
from tests.property.test_oracle_agrees import _differences as disagreements
from tests.support.random_log import random_log
from tests.support.world import World
from tests.unit.oracle.story import T0, Story, order

SEEDS = (57, *range(9))
"""57: here it would be seen if a resync were taken for news."""
ANSWERS = (topics.SEGMENT_CHANGES, topics.OUTREACH_COMMANDS, topics.OUTREACH_DECISIONS)
ANSWERED_BY = {1: {topic.name for topic in ANSWERS}, 2: {topic.name for topic in ANSWERS[1:]}}
"""Hop → the answers given by it and by those after it."""
Core = Partition[Any]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "PART", 2)


def test_a_resync_changes_no_answer() -> None:
    assert list(_differences(SEEDS, _services)) == []


def test_the_oracle_makes_nothing_of_requests_either() -> None:
    for seed in SEEDS[:5]:
        story = random_log(seed)
        asked = _with(story, [len(story.records) // 2, len(story.records)])
        assert list(disagreements(asked, _services, size=7)) == []


class Eager(SegmenterFold):
    """Takes a resync for news."""

    def on_record(self, state: Any, record: Any, context: Context) -> Any:
        steps = tuple(msgspec.structs.replace(s, cause="event") if s.cause == "resync" else s for s in record.steps)
        return super().on_record(state, msgspec.structs.replace(record, steps=steps), context)


def _eager(story: Story) -> Sequence[MakeFold]:
    first, _, last = _services(story)
    return [first, lambda _: Eager(story.shop, epoch_ms=story.epoch_ms, partition=0), last]


def test_a_segmenter_that_takes_a_resync_for_news_is_caught() -> None:
    assert next(_differences(SEEDS, _eager), "")


def test_the_resync_reaches_every_customer_and_writes_his_snapshot_again() -> None:
    story = random_log(1)
    plain, again = _lived(story, _services(story)), _lived(_with(story, [len(story.records)]), _services(story))

    customers = {key for key, told in _told(plain).items() if told}
    assert {key for key, told in _told(again).items() if told[-1].steps[0].cause == "resync"} == customers
    assert len(customers) == 4
    shots = [len(world.log(topics.SEGMENTS.name, 0)) for world in (plain, again)]
    assert shots[1] - shots[0] == 4


def test_of_whom_nothing_was_told_nothing_is_told() -> None:
    story = Story().tick(T0).tell(PageViewed(id="v", at=T0, contacts=("phone",)), customer="shy").tell(order("o", T0))
    story.raw(None, encode(ResyncRequested(1)))
    world = _lived(story, _services(story))

    keys = [stored.key for stored in world.log(topics.PROFILE_UPDATES.name, 0) if stored.key is not None]
    assert keys == [b"ann", b"ann"]


@pytest.mark.parametrize("lost", [{1}, {2}, {1, 2}], ids=lambda lost: "+".join(map(str, sorted(lost))))
def test_who_lost_state_and_input_knows_every_customer_again_and_says_nothing(lost: set[int]) -> None:
    seen = 0
    for seed in SEEDS:
        (kept, _), (new, said) = _ended(seed, set(), _services), _ended(seed, lost, _services)
        for key in kept[0].store.keys:
            assert _facts(new, key) == _facts(kept, key), f"seed {seed}, {key!r}"
            seen += 1
        assert [core.clock for core in new] == [core.clock for core in kept]
        assert _in_force(new) == _in_force(kept)
        assert said.isdisjoint(ANSWERED_BY[min(lost)])
    assert seen > 30


def test_a_segmenter_that_announces_what_it_lost_is_caught() -> None:
    assert any(topics.SEGMENT_CHANGES.name in _ended(seed, {1}, _eager)[1] for seed in SEEDS)


# --- the chain, and what must be equal


def _with(story: Story, places: Sequence[int]) -> Story:
    """The same log with a resync before these places, each told twice, and checkpoints after them."""
    told = Story(scenario=story.scenario, shop=story.shop, epoch_ms=story.epoch_ms)
    for place, record in enumerate([*story.records, None]):
        for number in range(places.count(place)):
            told.raw(None, encode(ResyncRequested(10 * place + number)), arrived=0)
        if record is not None:
            told.raw(record.key.decode() if record.key is not None else None, record.value, arrived=record.timestamp)
        if place in places:
            told.raw(None, encode(ResyncRequested(10 * place)), arrived=0)
            told.raw(None, encode(Checkpoint(place)), arrived=0)
    return told


def _differences(seeds: Sequence[int], makes: Makes) -> Iterator[str]:
    for seed in seeds:
        story, rnd = random_log(seed), random.Random(seed)
        size = rnd.choice([1, 7, 100])
        asked = _with(story, sorted(rnd.choices(range(len(story.records) + 1), k=6)))
        plain, again = _lived(story, makes(story), size=size), _lived(asked, makes(asked), size=size)
        for topic in ANSWERS:
            if plain.values(topic.name) != again.values(topic.name):
                yield f"seed {seed}: {topic.name}"
        if _shown(plain) != _shown(again):
            yield f"seed {seed}: {topics.SEGMENTS.name}"


def _shown(world: World) -> dict[str, Any]:
    return {v["customer"]: (v["seq"], v["segments"], v["orders"]) for v in world.values(topics.SEGMENTS.name)}


def _told(world: World) -> dict[bytes, list[Any]]:
    told: dict[bytes, list[Any]] = {}
    for topic, kind in ((topics.PROFILE_UPDATES, ProfileUpdated), (topics.SEGMENT_UPDATES, SegmentsUpdated)):
        for stored in world.log(topic.name, 0):
            if stored.key is not None:
                told.setdefault(topic.name.encode() + stored.key, []).append(
                    msgspec.json.decode(stored.value, type=kind)
                )
    return {key: bundles for key, bundles in told.items() if key.startswith(topics.SEGMENT_UPDATES.name.encode())}


def _world(story: Story) -> World:
    world = World()
    for record in story.records:
        key = record.key.decode() if record.key is not None else None
        world.put(topics.CUSTOMER_EVENTS.name, key, record.value or b"", partition=0, at=record.timestamp)
    return world


def _fold(world: World, hop: Hop, start: int = 0) -> None:
    hop.partitions[0].next = start
    for batch in hop.take(0, world.log(hop.fold.input, 0)[start:]):
        for emit in batch.emits:
            world.append(emit)


def _hop(world: World, make: MakeFold, story: Story, size: int = 7) -> Hop:
    def parts(core: Core) -> None:
        for part in iter(core.part, []):
            for emit in part:
                world.append(emit)

    return Hop(make, partitions=(0,), together=size, scenario=story.scenario, on_close=parts)


def _lived(story: Story, makes: Sequence[MakeFold], *, size: int = 7) -> World:
    world = _world(story)
    for make in makes:
        _fold(world, _hop(world, make, story, size))
    return world


def _ended(seed: int, lost: set[int], makes: Makes) -> tuple[list[Core], set[str]]:
    """The services after a log that ends with a resync; the lost ones have seen nothing before it, like their topics.

    With them the topics of all answers given; that somebody must hear nothing is said again, and no answer.
    """
    story = random_log(seed)
    place = random.Random(seed).randint(len(story.records) // 2, len(story.records))
    told = Story(scenario=story.scenario, shop=story.shop, epoch_ms=story.epoch_ms)
    told.records = _with(story, [place]).records[: place + 1]
    world = _world(told)
    hops = [_hop(world, make, told) for make in makes(told)]
    for place, hop in enumerate(hops):
        log = world.log(hop.fold.input, 0)
        start = next(n for n, stored in enumerate(log) if b'"resync.requested"' in stored.value) if place in lost else 0
        _fold(world, hop, start)
    silences = (b'{"type":"suppress"', b'{"type":"allow"')
    said = {name for (name, _), log in world.logs.items() if any(not one.value.startswith(silences) for one in log)}
    return [hop.partitions[0] for hop in hops], said


def _facts(cores: Sequence[Core], key: bytes) -> tuple[Any, ...]:
    """What the later hops know of a customer that came from upstream; contacts of page views travel with a resync already."""
    heard, decided = cores[1].memory.entry(key).state, cores[2].memory.entry(key).state
    assert isinstance(heard, Customer)
    assert isinstance(decided, Decided)
    profile = msgspec.structs.replace(heard.profile, contacts={})
    return profile, heard.day, msgspec.structs.replace(heard.segments, cuts=0), _without_contacts(decided.facts)


def _without_contacts(facts: Facts) -> Facts:
    return msgspec.structs.replace(facts, contacts={})


def _in_force(cores: Sequence[Core]) -> tuple[Any, int]:
    """Cuts and the policy's version."""
    segmenter, engine = cores[1].fold, cores[2].fold
    assert isinstance(segmenter, SegmenterFold)
    assert isinstance(engine, TriggerFold)
    return segmenter._rules, engine._book.version
