"""T4: what the public hears of a key that is handed over."""

from __future__ import annotations

import msgspec
import pytest

from shared.contract.bundles import Profile, ProfileStep
from shared.contract.public_records import SegmentChanged
from shared.contract.topics import SEGMENT_CHANGES, SEGMENTS
from shared.engine.fold.fold import Output
from tests.unit.segmenter.test_fold import START, bought, shard


def _left(*steps: ProfileStep, behaviour: int = 4, clock: int = START + 5) -> tuple[int, list[Output]]:
    """Number of the latest change, and the outputs when `weak` goes to `strong`."""
    host = shard()
    for step in steps:
        host.feed("weak", step, as_of=step.at)
    host.clock = clock
    context = msgspec.structs.replace(host.context("weak"), behaviour=behaviour)
    state, outputs = host.fold.leave(host.customer("weak"), "strong", context)
    return state.seq, list(outputs)


def test_a_key_that_was_told_leaves_with_a_change_of_identity_and_then_a_null() -> None:
    seq, (change, gone) = _left(bought(START))
    assert (change.topic, gone.topic, gone.key, gone.value) == (SEGMENT_CHANGES.name, SEGMENTS.name, "weak", None)
    assert isinstance(change.value, SegmentChanged)
    found = change.value
    assert (found.customer, found.seq, found.dimension, found.into, found.cause) == (
        "weak",
        seq,
        "identity",
        "strong",
        "merge",
    )
    assert (seq, found.effective_at, found.detected_at) == (2, START + 5, START + 5)


def test_a_key_of_which_no_change_was_told_leaves_with_a_null_alone() -> None:
    step = ProfileStep(at=START, cause="event", profile=Profile(total=-5))
    seq, (gone,) = _left(step)
    assert (seq, gone.topic, gone.value) == (0, SEGMENTS.name, None)


def test_a_key_that_is_linked_before_its_first_event_says_nothing() -> None:
    assert _left() == (0, [])


@pytest.mark.parametrize("behaviour", [1, 3])
def test_below_behaviour_4_nobody_leaves(behaviour: int) -> None:
    assert _left(bought(START), behaviour=behaviour) == (1, [])


def test_into_stands_in_changes_of_identity_alone() -> None:
    host = shard()
    host.feed("c", bought(START), as_of=START)
    assert b"into" not in msgspec.json.encode(host.changes[0])
