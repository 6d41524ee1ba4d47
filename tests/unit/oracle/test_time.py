"""Clock, arrival, clamping and the order of timers (docs/semantics.md, part 1)."""

from __future__ import annotations

import pytest

from shared.contract.facts import CustomerFact, PageViewed
from tests.support.kept_facts import kept_facts, tag_of
from tests.unit.oracle.story import Story, at, moves, order, sms, traits, verdicts, view

BOUGHT = [(1, "lifecycle", "none", "new", at(0), "event")]
ACTIVE = (2, "lifecycle", "new", "active", at(7, ms=1), "time")


def test_a_timer_fires_at_its_own_instant_however_wide_the_tick_is() -> None:
    story = Story().tell(order("o1", at(0))).tick(at(20))
    assert moves(story.ann()) == [*BOUGHT, ACTIVE]


def test_the_width_of_ticks_changes_no_answer() -> None:
    narrow = Story().tell(order("o1", at(0))).days(1, 100).ann()
    wide = Story().tell(order("o1", at(0))).tick(at(100)).ann()
    assert narrow.changes == wide.changes
    assert narrow.segments == wide.segments


def test_a_tick_one_millisecond_early_fires_nothing() -> None:
    story = Story().tell(order("o1", at(0))).tick(at(7))
    assert moves(story.ann()) == BOUGHT


def test_a_live_tick_above_its_arrival_is_ignored() -> None:
    story = Story(scenario=False).tell(order("o1", at(0)), arrived=at(0))
    story.tick(at(20), scenario=False, arrived=at(20) - 1)
    assert moves(story.ann()) == BOUGHT


def test_a_live_tick_at_its_arrival_counts() -> None:
    story = Story(scenario=False).tell(order("o1", at(0)), arrived=at(0))
    story.tick(at(20), scenario=False, arrived=at(20))
    assert moves(story.ann()) == [*BOUGHT, ACTIVE]


def test_a_scenario_tick_on_a_live_stack_is_a_dead_letter() -> None:
    answer = Story(scenario=False).tell(order("o1", at(0)), arrived=at(0)).tick(at(20)).fold()
    assert answer.dead == ((0, 1),)
    assert moves(answer.customers["ann"]) == BOUGHT


def test_what_cannot_be_decoded_or_has_no_customer_is_a_dead_letter() -> None:
    story = Story().raw("ann", b"{").raw("ann", b'{"type":"nonsense"}').raw("ann", None).raw("ann", b"\xff")
    answer = story.raw(None, b'{"type":"page.viewed","id":"x","at":5}').tell(order("o1", at(0))).fold()
    assert answer.dead == ((0, 0), (0, 1), (0, 2), (0, 3), (0, 4))
    assert list(answer.customers) == ["ann"]


def test_a_live_fact_from_the_future_happened_at_its_arrival() -> None:
    five, more = at(0, minutes=5), at(0, minutes=5, ms=1)
    kept = Story(scenario=False).tell(order("o1", five), arrived=at(0)).ann()
    clamped = Story(scenario=False).tell(order("o1", more), arrived=at(0)).ann()
    assert (kept.profile.last_order_at, clamped.profile.last_order_at) == (five, at(0))


def test_a_scenario_fact_is_clamped_only_beyond_a_day_above_the_clock() -> None:
    kept = Story().tick(at(10)).tell(order("o1", at(11))).ann()
    clamped = Story().tick(at(10)).tell(order("o1", at(11, ms=1))).ann()
    before_any_tick = Story().tell(order("o1", at(11))).ann()
    got = [one.profile.last_order_at for one in (kept, clamped, before_any_tick)]
    assert got == [at(11), at(10), at(11)]


def test_a_late_fact_is_taken_at_the_clock() -> None:
    story = Story().tick(at(50)).tell(order("o1", at(10)))
    assert moves(story.ann()) == [
        (1, "lifecycle", "none", "silent", at(50), "event"),
        (2, "sleep_warning", "no", "yes", at(50), "event"),
    ]


def test_what_is_due_before_a_fact_is_taken_first_at_its_own_instant() -> None:
    story = Story().tell(order("o1", at(0)), order("o2", at(31)))
    assert moves(story.ann()) == [
        *BOUGHT,
        ACTIVE,
        (3, "lifecycle", "active", "silent", at(30, ms=1), "time"),
        (4, "sleep_warning", "no", "yes", at(30, ms=1), "time"),
        (5, "lifecycle", "silent", "active", at(31), "event"),
        (6, "sleep_warning", "yes", "no", at(31), "event"),
    ]


def test_a_purchase_at_the_very_instant_of_silence_prevents_it() -> None:
    story = Story().tell(order("o1", at(0)), order("o2", at(30, ms=1)))
    assert moves(story.ann()) == [*BOUGHT, ACTIVE]


def test_a_beat_at_the_instant_of_silence_shares_its_step() -> None:
    story = Story().tell(order("o1", at(0)), view("v1", at(30, ms=1)))
    assert moves(story.ann())[2:] == [
        (3, "lifecycle", "active", "silent", at(30, ms=1), "event"),
        (4, "sleep_warning", "no", "yes", at(30, ms=1), "event"),
    ]


@pytest.mark.parametrize("kept", kept_facts("x", at(60), contacts=("phone",)), ids=tag_of)
def test_facts_that_are_only_kept_take_no_timers_and_make_no_step(kept: CustomerFact) -> None:
    quiet = Story().tell(order("o1", at(0)), kept).ann()
    assert moves(quiet) == BOUGHT
    assert (quiet.steps, quiet.profile.contacts, quiet.effects) == (1, {}, {"e-o1-1": 1})


def test_the_contacts_of_a_page_view_are_passed_on_with_the_next_step() -> None:
    page = PageViewed(id="x", at=at(0), contacts=("phone",))
    assert Story().tell(page, traits("t", at(1), level="gold")).ann().profile.contacts == {"phone": "ann"}


def test_a_tick_that_is_not_above_the_clock_does_nothing() -> None:
    story = Story().tick(at(50)).tick(at(20)).tell(order("o1", at(10)))
    assert moves(story.ann())[0][4] == at(50)


def test_timers_of_rules_and_stages_are_taken_in_the_order_of_their_instants() -> None:
    rules = (sms("late", {"on": "since_last_order", "days": 40}), sms("early", {"on": "since_last_order", "days": 3}))
    story = Story().policy(*rules, max_trigger_age_hours=72).tell(order("o1", at(0))).tick(at(41))
    assert verdicts(story.ann()) == [
        ("early", "o1", at(3, ms=1), "skip", "consent"),
        ("late", "o1", at(40, ms=1), "skip", "consent"),
    ]
