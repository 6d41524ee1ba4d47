"""A resync tells the trigger engine nothing new of a customer it knows, and only facts of one it does not."""

from __future__ import annotations

import msgspec
import pytest

from services.trigger_engine.state import State
from shared.contract.bundles import Cause
from tests.unit.trigger_engine.story import DAY, NOON, ORDERED, REMINDER, SILENT, Story, order, rule


def _deferred() -> Story:
    story = Story(rule("thanks", ORDERED), clock=NOON)
    story.happens(NOON, order("o1", NOON), whole=False)
    assert story.verdicts() == [("thanks", "defer", "half-person")]
    return story


def _again(story: Story, cause: Cause) -> None:
    story.bundle(story.step(NOON, cause=cause), whole=True)


def test_what_waits_is_not_looked_at() -> None:
    asked, told = _deferred(), _deferred()
    before = asked.state
    _again(asked, "resync")
    _again(told, "event")

    assert asked.verdicts() == [("thanks", "defer", "half-person")]
    assert asked.state is before
    assert told.verdicts()[1:] == [("thanks", "send", "sent")]


def test_of_a_stranger_the_facts_are_taken_over_and_timers_armed_above_the_clock_alone() -> None:
    late, early = NOON - 20 * DAY, NOON - 40 * DAY
    for last, armed in ((late, [late + 30 * DAY + 1]), (early, [])):
        story = Story(rule("remind", REMINDER), rule("thanks", ORDERED), clock=NOON)
        _again_with(story, last)

        assert [timer.at for timer in story.state.timers] == armed
        assert story.state.facts.last_order_at == last
        assert story.verdicts() == []
        story.tick(NOON + DAY)
        assert story.verdicts() == []


def test_a_timer_of_this_very_instant_is_of_the_past() -> None:
    story = Story(rule("remind", REMINDER), clock=NOON)
    _again_with(story, NOON - 30 * DAY - 1)

    assert story.state.timers == ()


def _again_with(story: Story, last: int) -> None:
    step = story.step(last, cause="resync", orders=1, last_order_at=last, last_order_id="o")
    assert story.state == State()
    story.bundle(msgspec.structs.replace(step, changes=()))


def test_no_policy_may_listen_to_a_resync() -> None:
    with pytest.raises(ValueError, match="causes: 'resync' is no cause"):
        Story(rule("silent", SILENT | {"causes": ["resync"]}))
