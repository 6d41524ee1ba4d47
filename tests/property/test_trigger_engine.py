"""Laws of the trigger engine for every story: ticks only delay, caps and ledger are exact, state forgets nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trigger_engine.state import State
from shared.contract.bundles import Change, Consent, Happened, SegmentStep
from shared.contract.commands import SendMessage
from shared.contract.public_records import CandidateDecided
from tests.unit.trigger_engine.story import DAY, HOUR, MINUTE, NOON, Story, beat, entered, order, policy, rule

CAPS = ({"count": 1, "hours": 24}, {"count": 3, "hours": 120})
GAP_HOURS = 7
RULES = (
    rule("reminder", {"on": "since_last_order", "days": 3}, value=500),
    rule("again", {"on": "since_last_order", "days": 5}, "wecom", "email", value=500),
    rule("recall", {"on": "enters", "dimension": "lifecycle", "to": "silent"}, value=300, ttl_hours=200),
    rule("warning", {"on": "enters", "dimension": "sleep_warning", "to": "yes"}, value=400),
    rule("birthday", {"on": "birthday", "at": "09:30", "days_before": 3}, "staff_task", companions=["sms"], value=600),
    rule("browse", {"on": "browsed", "minutes": 5, "wait_hours": 24}, value=200, ttl_hours=300),
    rule("browse-fast", {"on": "browsed", "minutes": 2, "wait_hours": 3}, value=250, ttl_hours=9),
    rule("thanks", {"on": "ordered", "nth": 1}, value=100, purpose="service"),
    rule("every", {"on": "ordered"}, value=700, ttl_hours=100),
)
POLICY = policy(
    *RULES,
    caps=list(CAPS),
    min_gap_hours=GAP_HOURS,
    quiet_hours={"start": "21:00", "end": "09:00"},
    max_trigger_age_hours=72,
)
PRODUCTS = st.sampled_from(["p1", "p2", "p3"])


class Event(NamedTuple):
    """What happens, how long after the event before, and how the clock moves in between."""

    gap: int
    kind: str
    product: str
    number: int


EVENTS = st.lists(
    st.builds(
        Event,
        gap=st.integers(1, 30 * HOUR) | st.sampled_from([1, MINUTE, HOUR, 6 * HOUR, DAY, 3 * DAY, 3 * DAY + 1]),
        kind=st.sampled_from(["order", "beat", "beat", "silent", "warning", "report", "consent", "trait", "import"]),
        product=PRODUCTS,
        number=st.integers(0, 9),
    ),
    min_size=1,
    max_size=14,
)
WIDTHS = st.sampled_from([10 * MINUTE, HOUR, 5 * HOUR + 1, DAY])


def told(story: Story, event: Event, when: int, position: int) -> SegmentStep:
    """The step that upstream would send for this event."""
    happened: tuple[Happened, ...] = ()
    changes: tuple[Change, ...] = ()
    facts: dict[str, Any] = {}
    cause: Any = None
    match event.kind:
        case "order" | "import":
            silent = event.kind == "import"
            name = f"o{position}"
            baseline = when - DAY if silent else None
            confirmed = event.number % 2 == 0
            happened = (order(name, when, silent=silent, baseline=baseline, confirmed=silent and confirmed),)
            facts = {"orders": story.profile.orders + 1, "last_order_at": when, "last_order_id": name}
            cause = "import" if silent else "event"
        case "beat":
            minutes = event.number * MINUTE
            happened = (beat(event.product, when, before=minutes, after=minutes + 4 * MINUTE, name=f"b{position}"),)
        case "silent":
            changes = (entered("lifecycle", "silent", when), entered("sleep_warning", "yes", when))
        case "warning":
            changes = (entered("sleep_warning", "yes", when, "event"),)
            happened = (Happened(what="traits.set", id=f"t{position}", at=when),)
        case "report":
            ref = max((use.command for use in story.state.uses), default="none")
            status = "failed" if event.number < 3 else "delivered"
            happened = (Happened(what="message.reported", id=f"m{position}", at=when, ref=ref, status=status),)
        case "consent":
            granted = Consent(granted=event.number < 7, at=when)
            facts = {"consents": story.profile.consents | {"sms/marketing": granted}}
            happened = (Happened(what="consent.set", id=f"c{position}", at=when),)
        case _:
            facts = {"birthday": f"--06-{event.number + 1:02}", "zone": ("", "America/New_York")[event.number % 2]}
            happened = (Happened(what="traits.set", id=f"t{position}", at=when),)
    return story.step(when, *happened, changes=changes, cause=cause, **facts)


def live(events: Sequence[Event], width: int, *, reload: bool = False) -> Story:
    """Live the story under ticks of this width; `reload` writes and reads the state between any two records."""
    story = Story(clock=NOON)
    story.rules(POLICY)
    when = NOON
    for position, event in enumerate(events):
        before, when = when, when + event.gap
        for tick in range(before // width + 1, (when - 1) // width + 1):
            story.tick(tick * width)
            _reload(story, wanted=reload)
        story.bundle(told(story, event, when, position))
        _reload(story, wanted=reload)
    for tick in range(when // width + 1, (when + 6 * DAY) // width + 2):
        story.tick(tick * width)
        _reload(story, wanted=reload)
    return story


def _reload(story: Story, *, wanted: bool) -> None:
    if wanted:
        story.state = msgspec.msgpack.decode(msgspec.msgpack.encode(story.state), type=State)


def essence(decisions: Iterable[CandidateDecided]) -> list[tuple[object, ...]]:
    return [(d.rule, d.trigger_key, d.effective_at, d.decided_at, d.verdict, d.reason, d.until) for d in decisions]


@given(EVENTS, WIDTHS, WIDTHS)
@settings(max_examples=60, deadline=None)
def test_the_width_of_a_tick_changes_no_command_and_no_decision(events: list[Event], one: int, other: int) -> None:
    left, right = live(events, one), live(events, other)
    end = min(left.clock, right.clock)

    def until(story: Story) -> tuple[list[SendMessage], list[tuple[object, ...]]]:
        commands = [command for command in story.commands if command.decided_at <= end]
        return commands, essence(decided for decided in story.decisions if decided.decided_at <= end)

    assert until(left) == until(right)


@given(EVENTS, WIDTHS)
@settings(max_examples=60, deadline=None)
def test_no_window_ever_holds_more_uses_than_its_cap(events: list[Event], width: int) -> None:
    story = live([event for event in events if event.kind != "report"], width)
    marketing = [command for command in story.commands if command.purpose == "marketing" and command.position == 0]
    sent = [command.decided_at for command in marketing]

    for count, hours in ((1, 24), (3, 120), (1, GAP_HOURS)):
        windows = [sum(1 for at in sent if end - hours * HOUR < at <= end) for end in sent]
        assert max(windows, default=0) <= count


@given(EVENTS, WIDTHS)
@settings(max_examples=60, deadline=None)
def test_released_uses_apart_the_state_counts_what_was_sent(events: list[Event], width: int) -> None:
    story = live(events, width)
    sent = {command.command_id for command in story.commands if command.purpose == "marketing"}
    counted = [use.command for use in story.state.uses]

    assert len(set(counted)) == len(counted)
    assert set(counted) <= sent
    assert list(story.state.uses) == sorted(story.state.uses)


@given(EVENTS, WIDTHS)
@settings(max_examples=60, deadline=None)
def test_nothing_is_sent_twice_and_every_candidate_is_answered(events: list[Event], width: int) -> None:
    story = live(events, width)
    touched = Counter((command.rule, command.trigger_key, command.position) for command in story.commands)
    answered = Counter((d.rule, d.trigger_key, d.decided_at) for d in story.decisions)
    final = {(d.rule, d.trigger_key): d.verdict for d in story.decisions}
    waiting = {(candidate.rule, candidate.key) for candidate in story.state.waiting}

    assert not [name for name, times in touched.items() if times > 1]
    assert not [name for name, times in answered.items() if times > 1]
    assert {name for name, verdict in final.items() if verdict == "defer"} == waiting
    assert {command.command_id for command in story.commands} == {name for d in story.decisions for name in d.commands}


@given(EVENTS, WIDTHS)
@settings(max_examples=40, deadline=None)
def test_a_beat_that_armed_a_rule_ends_in_a_decision_or_a_purchase(events: list[Event], width: int) -> None:
    story = live(events, width)
    decided = {d.trigger_key for d in story.decisions if d.rule == "browse"}
    when, armed = NOON, dict[str, str]()
    for position, event in enumerate(events):
        when += event.gap
        armed = {product: key for product, key in armed.items() if int(key.split(":")[1]) + DAY >= when}
        if event.kind in {"order", "import"}:
            armed.clear()
        if event.kind == "beat" and 1 < event.number <= 5 and event.product not in armed:
            armed[event.product] = f"{event.product}@b{position}:{when}"

    assert {key.split(":")[0] for key in armed.values()} <= decided


@given(EVENTS, WIDTHS)
@settings(max_examples=40, deadline=None)
def test_writing_and_reading_the_state_between_records_changes_nothing(events: list[Event], width: int) -> None:
    straight, reloaded = live(events, width), live(events, width, reload=True)

    assert reloaded.state == straight.state
    assert reloaded.commands == straight.commands
    assert reloaded.decisions == straight.decisions


@given(EVENTS, WIDTHS, st.integers(0, 14))
@settings(max_examples=40, deadline=None)
def test_a_prefix_of_the_story_is_told_the_same_again(events: list[Event], width: int, length: int) -> None:
    first, again = live(events[:length], width), live(events[:length], width)
    whole = live(events, width)
    end = NOON + sum(event.gap for event in events[:length])

    assert (first.state, first.commands, first.decisions) == (again.state, again.commands, again.decisions)
    told_before = [decided for decided in whole.decisions if decided.decided_at < end]
    assert told_before == [decided for decided in first.decisions if decided.decided_at < end]
