"""The cap gate: the touches that count within a window, and the instant at which the window opens."""

from __future__ import annotations

import pytest

from tests.unit.trigger_engine.story import DAY, HOUR, NOON, ORDERED, Story, beat, rule


def browsers(story: Story, *hours: int) -> None:
    """Products that were looked at long enough, so that each wants to go at these hours after noon."""
    for number, hour in enumerate(hours):
        when = NOON + hour * HOUR - DAY
        story.happens(max(when, story.state.now), beat(f"p{number}", when, name=f"b{number}"))


BROWSE = {"on": "browsed", "minutes": 5, "wait_hours": 24}


def test_the_cap_defers_to_the_instant_at_which_the_window_opens() -> None:
    story = Story(rule("browse", BROWSE), caps=[{"count": 2, "hours": 10}])

    browsers(story, 1, 2, 3)
    story.tick(NOON + 4 * HOUR)
    assert (story.last().reason, story.last().until) == ("cap", NOON + 11 * HOUR)
    story.tick(NOON + 11 * HOUR - 1)
    assert len(story.commands) == 2
    story.tick(NOON + 11 * HOUR)

    assert [command.decided_at for command in story.commands] == [NOON + hour * HOUR for hour in (1, 2, 11)]


@pytest.mark.parametrize(("ttl_hours", "verdict"), [(8, "defer"), (7, "skip")])
def test_the_cap_skips_what_would_be_expired_before_the_window_opens(ttl_hours: int, verdict: str) -> None:
    story = Story(rule("browse", BROWSE, ttl_hours=ttl_hours), caps=[{"count": 1, "hours": 10}])

    browsers(story, 1, 3)
    story.tick(NOON + 4 * HOUR)

    assert (story.last().verdict, story.last().reason) == (verdict, "cap")


def test_the_minimum_gap_is_a_cap_of_one() -> None:
    story = Story(rule("browse", BROWSE), min_gap_hours=5)

    browsers(story, 1, 2)
    story.tick(NOON + 3 * HOUR)

    assert story.last().until == NOON + 6 * HOUR


def test_of_several_caps_the_latest_opening_counts() -> None:
    story = Story(rule("browse", BROWSE), caps=[{"count": 1, "hours": 3}, {"count": 2, "hours": 20}])

    browsers(story, 1, 5, 6)
    story.tick(NOON + 6 * HOUR)

    assert story.last().until == NOON + 21 * HOUR


def test_service_messages_neither_count_nor_are_counted() -> None:
    story = Story(rule("thanks", ORDERED, purpose="service"), caps=[{"count": 1, "hours": 24}])

    story.buys(NOON, "o1")
    story.buys(NOON + HOUR, "o2")

    assert story.verdicts() == [("thanks", "send", "sent"), ("thanks", "send", "sent")]
