"""A failing hop of the real chain, mended: after the replay it stands where it would have stood without the failure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

import services.trigger_engine
from services.console.letters import dead
from services.console.remedies import PutBack, remedy
from services.rehearsal.pipeline import MakeFold, folds
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.codec import encode
from shared.contract.facts import OrderPlaced
from shared.contract.identity import Fragment
from shared.contract.origin import Origin
from shared.contract.partitioner import partition_of
from shared.contract.public_records import SegmentChanged
from shared.contract.topics import CUSTOMER_EVENTS, DEAD_LETTERS, PROFILE_UPDATES, SEGMENT_CHANGES
from shared.language.policy_file import read_policy_file
from shared.shop import DAY, Shop
from tests.support.world import Stored, Worker, World

ANN = "ann"
PLACE = partition_of(b"ann")
POLICY = Path(services.trigger_engine.__file__).parent / "policies" / "default.yaml"
START = 1_700_000_000_000
Bad = Callable[[Any], bool]


class Told:
    """A dead letter as the console's consumer gives it."""

    def __init__(self, record: Stored) -> None:
        self.partition, self.offset, self.timestamp = PLACE, record.offset, record.timestamp
        self.key, self.value = record.key, record.value


class Chain:
    """The three stateful services on Ann's partition; `bad` makes one of them fail where it says so."""

    def __init__(self) -> None:
        self.world = World()
        self.bad: dict[str, Bad] = {}
        self.workers = [Worker(self.world, partial(self._fragile, make), PLACE) for make in folds(Shop(), epoch_ms=DAY)]

    def _fragile(self, make: MakeFold) -> Any:
        fold = make(PLACE)
        for name in ("on_record", "on_time"):
            setattr(fold, name, self._guarded(fold.name, name, getattr(fold, name)))
        return fold

    def _guarded(self, service: str, name: str, take: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(state: Any, *rest: Any) -> Any:
            if self.bad.get(service, lambda _: False)(rest[0] if name == "on_record" else None):
                raise ZeroDivisionError
            return take(state, *rest)

        return guarded

    def order(self, number: int, day: float) -> None:
        at = START + round(day * DAY)
        fact = OrderPlaced(id=f"e{number}", at=at, order_id=f"o{number}", amount=100 * number, currency="CNY")
        self.world.put(CUSTOMER_EVENTS.name, ANN, fact, partition=PLACE)

    def tick(self, day: float) -> None:
        tick = Tick(START + round(day * DAY), scenario=True)
        self.world.put(CUSTOMER_EVENTS.name, None, tick, partition=PLACE)

    def run(self) -> None:
        while sum(worker.turn() for worker in self.workers):
            continue

    def replay(self) -> int:
        """Every letter by its remedy; how many there were."""
        buried = list(self.world.log(DEAD_LETTERS.name, PLACE))
        for record in buried:
            letter = dead(Told(record))
            found = remedy(letter, self.world.log(letter.topic, letter.partition)[letter.offset].value)
            assert isinstance(found, PutBack)
            put = found.record
            self.world.put(put.topic, (put.key or b"").decode(), put.value, partition=put.partition)
        self.run()
        assert len(self.world.log(DEAD_LETTERS.name, PLACE)) == len(buried), "what was replayed is taken"
        return len(buried)

    def stands(self) -> tuple[Any, ...]:
        """Ann's facts at every hop, and what was told of her changes."""
        profile, segmenter, trigger = (worker.core.memory.entry(ANN.encode()).state for worker in self.workers)
        changes = [
            msgspec.json.decode(record.value, type=SegmentChanged)
            for record in self.world.log(SEGMENT_CHANGES.name, PLACE)
        ]
        told = [(c.seq, c.dimension, c.before, c.after, c.effective_at) for c in changes]
        return profile.orders, segmenter.profile, segmenter.segments, (trigger.facts, trigger.timers), told


def season(bad: dict[str, Bad]) -> Chain:
    """An order, silence after 30 days, a second order, a look 45 days after that: with `bad` until day 40, then mended."""
    chain = Chain()
    policy = read_policy_file(POLICY)
    for rule in policy["rules"]:
        if "since_last_order" in str(rule["when"]):
            rule["when"]["days"] = 10
    chain.world.put(CUSTOMER_EVENTS.name, None, PolicyPublished(policy["version"], policy), partition=PLACE)
    chain.order(1, 0)
    chain.tick(8)
    chain.run()
    chain.bad = bad
    chain.tick(12)
    chain.tick(31)
    chain.order(2, 31.5)
    chain.tick(40)
    chain.run()
    chain.bad = {}
    return chain


def ordered(number: int) -> Bad:
    """True for the fact, or the bundle, of this order."""

    def is_it(record: Any) -> bool:
        return record is not None and f"o{number}".encode() in encode(record)

    return is_it


def timed(record: Any) -> bool:
    """True for time."""
    return record is None


@pytest.mark.parametrize(
    ("service", "bad"),
    [
        ("profile", ordered(2)),
        ("segmenter", ordered(2)),
        ("trigger_engine", ordered(2)),
        ("segmenter", timed),
        ("trigger_engine", timed),
    ],
    ids=["a fact at profile", "a bundle at segmenter", "a bundle at trigger engine", "time at segmenter", "time at it"],
)
def test_after_the_replay_the_chain_stands_where_a_healthy_one_stands(service: str, bad: Bad) -> None:
    healthy, failing = season({}), season({service: bad})
    lost = failing.stands()
    replayed = failing.replay()
    for chain in (healthy, failing):
        chain.tick(80)
        chain.run()

    well, mended = healthy.stands(), failing.stands()
    assert mended[:4] == well[:4]
    assert replayed, "nothing failed: the test proves nothing"
    assert lost[:4] != mended[:4]
    # A change found late is told with the instant at which it was found where a fact made it; time keeps its own instant.
    assert [each[1:4] for each in mended[4]] == [each[1:4] for each in well[4]]
    if bad is timed:
        assert mended[4] == well[4]
    assert failing.replay() == replayed, "replayed twice"
    assert failing.stands()[:4] == well[:4]
    assert failing.stands()[4] == mended[4], "one effect"


def test_a_fragment_put_back_behind_a_later_one_would_be_dropped_without_a_word() -> None:
    """The counter-example behind the refusal: the mark of the later hand-over says that the earlier one was taken."""
    chain = Chain()
    body = chain.workers[0].core.fold.surrender(chain.workers[0].core.fold.empty())[1]
    early, late = (Fragment("weak", Origin(1, 0, offset), {}, body) for offset in (5, 9))
    for fragment in (late, early):
        chain.world.put(CUSTOMER_EVENTS.name, ANN, fragment, partition=PLACE)
    chain.run()
    assert chain.workers[0].core.counts.duplicates == 1


def test_an_inner_bundle_put_back_as_it_was_would_be_dropped_by_the_fence() -> None:
    """The counter-example behind telling anew: the customer's state has seen a higher origin since."""
    chain = season({"segmenter": ordered(2)})
    chain.order(3, 41)
    chain.run()
    (record,) = chain.world.log(DEAD_LETTERS.name, PLACE)
    letter = dead(Told(record))
    assert letter.topic == PROFILE_UPDATES.name
    lost = chain.world.log(letter.topic, PLACE)[letter.offset]
    before = chain.workers[1].core.counts.fenced
    chain.world.put(PROFILE_UPDATES.name, ANN, lost.value, partition=PLACE)
    chain.run()
    assert chain.workers[1].core.counts.fenced == before + 1
