"""T5: `ce_id` of what the engine writes: a candidate decided twice at one instant, what a hand-over causes, dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from services.trigger_engine.fold import TriggerFold
from services.trigger_engine.state import State
from shared.contract.broadcasts import PolicyPublished, Tick
from shared.contract.bundles import SegmentStep, SegmentsUpdated
from shared.contract.codec import encode
from shared.contract.identity import Fragment
from shared.contract.origin import Origin
from shared.contract.public_records import CandidateDecided
from shared.contract.topics import DEAD_LETTERS, OUTREACH_DECISIONS
from shared.engine.fold.batch import Batch, Emit
from shared.engine.step.partition import Partition
from shared.instants import format_instant
from shared.shop import Shop
from tests.support.event_ids import breaches
from tests.support.world import Stored
from tests.unit.trigger_engine.story import NOON, ORDERED, Story, order, policy, rule

RULES = policy(rule("offer", ORDERED), version=1)
HALF: dict[str, Any] = {"seen": ("a",), "absorbed": (("a",), ("a",))}
"""Both hops before have taken "a" over: it is on its way to this one."""
HANDED = Fragment("a", Origin(1, 0, 3), {}, TriggerFold(Shop()).surrender(State())[1], to="k")


def bought(customer: str, place: int, **more: Any) -> tuple[str, SegmentsUpdated]:
    story = Story(customer=customer)
    step: SegmentStep = story.step(NOON, order("o1", NOON), orders=1, last_order_at=NOON, last_order_id="o1")
    return customer, SegmentsUpdated(origin=Origin(1, 0, place), as_of=NOON, steps=(step,), **more)


def folded(*records: tuple[str | None, Any]) -> Batch:
    core: Partition[State] = Partition(TriggerFold(Shop()), partition=0, seal=lambda *_: "sealed", scenario=True)
    begin = [(None, Tick(NOON, origin=Origin(1, 0, 0))), (None, PolicyPublished(1, RULES, Origin(1, 0, 1)))]
    for offset, (key, record) in enumerate([*begin, *records]):
        value = record if isinstance(record, bytes) else encode(record)
        core.apply(Stored(offset, None if key is None else key.encode(), value, NOON))
    return core.drain()


def decided(batch: Batch, customer: str) -> list[tuple[str, CandidateDecided]]:
    """`ce_id` and value of each decision."""
    about = [one for one in batch.emits if one.topic == OUTREACH_DECISIONS.name and one.key == customer.encode()]
    return [(name(one), msgspec.json.decode(one.value, type=CandidateDecided)) for one in about]


def name(record: Emit) -> str:
    return dict(record.headers)["ce_id"].decode()


def named(records: Sequence[Emit], topic: str) -> list[str]:
    return [name(record) for record in records if record.topic == topic]


def test_t5_a_candidate_decided_twice_at_one_instant_has_one_decision_id_and_two_event_ids() -> None:
    batch = folded(bought("k", 2, **HALF), ("k", HANDED))

    (first, put_off), (second, sent) = decided(batch, "k")
    assert (put_off.verdict, sent.verdict) == ("defer", "send")
    assert (put_off.id, put_off.decided_at) == (sent.id, sent.decided_at)
    assert first != second
    assert breaches(batch.emits) == []
    headers = dict(next(one.headers for one in batch.emits if one.topic == OUTREACH_DECISIONS.name))
    assert headers["ce_type"] == b"huitou.candidate.decided.v1"
    assert headers["ce_time"] == format_instant(NOON).encode()


def test_t5_a_hand_over_that_lands_at_another_place_gives_what_it_causes_the_same_ids() -> None:
    prompt = folded(bought("k", 2, **HALF), ("k", HANDED))
    late = folded(bought("k", 2, **HALF), bought("m", 9), ("m", HANDED), ("k", HANDED), ("k", HANDED))

    assert decided(prompt, "k") == decided(late, "k")
    assert breaches([*prompt.emits, *late.emits]) == []


def test_t5_a_letter_is_named_by_its_place_and_customer() -> None:
    torn = ("k", b"{")
    once, again = (named(folded(torn, ("m", b"{")).emits, DEAD_LETTERS.name) for _ in range(2))

    assert once == again
    assert len(set(once)) == 2
