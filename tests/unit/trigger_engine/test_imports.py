"""Imports change what is known and never fire by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contract.bundles import Happened
from tests.unit.trigger_engine.story import (
    BIRTHDAY,
    DAY,
    HOUR,
    NOON,
    ORDERED,
    REMINDER,
    SILENT,
    Story,
    at,
    entered,
    order,
    rule,
)

DUE = NOON + 30 * DAY + 1


def imported(story: Story, when: int, *, baseline: int, confirmed: bool, order_id: str = "o1") -> None:
    fact = order(order_id, when, silent=True, baseline=baseline, confirmed=confirmed)
    facts: dict[str, Any] = {"orders": story.profile.orders + 1, "last_order_at": when, "last_order_id": order_id}
    story.happens(max(when, story.clock), fact, cause="import", **facts)


def test_an_imported_order_is_not_thanked_for() -> None:
    story = Story(rule("thanks", ORDERED, purpose="service"))

    imported(story, NOON, baseline=0, confirmed=True)

    assert story.verdicts() == [("thanks", "skip", "import")]
    assert story.last().gates[-1].detail == "silent"


def test_instants_up_to_the_baseline_never_fire() -> None:
    story = Story(rule("reminder", REMINDER), max_trigger_age_hours=72)

    imported(story, NOON, baseline=DUE, confirmed=True)
    story.tick(DUE + HOUR)

    assert story.verdicts() == [("reminder", "skip", "import")]
    assert story.last().gates[-1].detail == "baseline"


def test_instants_above_the_baseline_fire_once_the_forecast_was_confirmed() -> None:
    story = Story(rule("reminder", REMINDER))

    imported(story, NOON, baseline=DUE - 1, confirmed=True)
    story.tick(DUE)

    assert story.verdicts() == [("reminder", "send", "sent")]


def test_the_largest_baseline_counts() -> None:
    story = Story(rule("reminder", REMINDER))

    imported(story, NOON, baseline=DUE, confirmed=True)
    imported(story, NOON, baseline=1, confirmed=True, order_id="o2")
    story.tick(DUE)

    assert story.verdicts() == [("reminder", "skip", "import")]


@pytest.mark.parametrize("rule_when", [REMINDER, BIRTHDAY, SILENT], ids=["reminder", "birthday", "recall"])
def test_time_alone_fires_nothing_after_an_unconfirmed_import(rule_when: dict[str, object]) -> None:
    story = Story(rule("rule", rule_when))

    imported(story, NOON, baseline=NOON, confirmed=False)
    story.happens(NOON, birthday="--06-05")
    story.tick(at("2025-06-05T09:30:00+08:00"))
    changes = (entered("lifecycle", "silent", DUE),)
    story.bundle(story.step(DUE, changes=changes), as_of=DUE)

    assert story.verdicts() == [("rule", "skip", "import")]
    assert story.last().gates[-1].detail == "unconfirmed"


def test_a_live_event_fires_after_an_unconfirmed_import() -> None:
    story = Story(rule("recall", SILENT))

    imported(story, NOON, baseline=NOON, confirmed=False)
    story.happens(DUE, cause="correction", changes=(entered("lifecycle", "silent", DUE, "correction"),))

    assert story.verdicts() == [("recall", "send", "sent")]


def test_a_live_order_confirms_what_an_import_told() -> None:
    story = Story(rule("reminder", REMINDER))

    imported(story, NOON - DAY, baseline=NOON - DAY, confirmed=False)
    story.buys(NOON, "o2")
    story.tick(DUE)

    assert story.verdicts() == [("reminder", "send", "sent")]


def test_a_confirmed_import_ends_the_doubt_of_the_one_before() -> None:
    story = Story(rule("reminder", REMINDER))

    imported(story, NOON, baseline=NOON, confirmed=False)
    imported(story, NOON, baseline=NOON, confirmed=True, order_id="o2")
    story.tick(DUE)

    assert story.verdicts() == [("reminder", "send", "sent")]


def test_an_imported_trait_is_an_import_too() -> None:
    story = Story(rule("reminder", REMINDER))

    story.buys(NOON)
    trait = Happened(what="traits.set", id="t", at=NOON, silent=True, baseline=NOON, confirmed=False)
    story.happens(NOON + HOUR, trait, cause="import")
    story.tick(DUE)

    assert story.verdicts() == [("reminder", "skip", "import")]


def test_an_import_silences_a_timer_of_its_very_instant() -> None:
    story = Story(rule("birthday", BIRTHDAY))
    morning = at("2025-06-05T09:30:00+08:00")

    story.happens(NOON, birthday="--06-05")
    imported(story, morning, baseline=0, confirmed=True)

    assert story.verdicts() == [("birthday", "skip", "import")]
    assert story.last().gates[-1].detail == "silent"


@pytest.mark.parametrize(
    ("off", "reason"),
    [(frozenset(), "import"), ({"import"}, "age"), ({"age"}, "import"), ({"import", "age"}, "sent")],
    ids=["both on", "age alone", "import alone", "both off"],
)
def test_each_gate_alone_stops_an_old_import(off: frozenset[str], reason: str) -> None:
    story = Story(rule("reminder", REMINDER), gates_off=frozenset(off))

    imported(story, NOON, baseline=DUE + 90 * DAY, confirmed=False)
    imported(story, DUE + 60 * DAY, baseline=DUE + 90 * DAY, confirmed=False, order_id="o2")
    story.tick(DUE + 61 * DAY)
    decided = story.decisions[0]

    assert decided.effective_at == DUE
    assert decided.reason == ("sent" if off == {"import", "age"} else reason)


@pytest.mark.parametrize(
    ("off", "reason"),
    [(frozenset[str](), "import"), (frozenset({"import"}), "age"), (frozenset({"import", "age"}), "expired")],
    ids=["both on", "age alone", "both off: its time to live is over"],
)
def test_an_old_imported_order_is_thanked_for_under_no_gate(off: frozenset[str], reason: str) -> None:
    story = Story(rule("thanks", ORDERED, purpose="service"), clock=NOON, gates_off=off)

    imported(story, NOON - 90 * DAY, baseline=NOON, confirmed=True)

    assert story.verdicts() == [("thanks", "skip", reason)]
