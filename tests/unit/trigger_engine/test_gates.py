"""Every gate of the trigger engine but the cap (test_caps.py): what passes it, what it skips, what it defers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.contract.bundles import Consent, Profile, Segments
from shared.ids import share_of
from tests.unit.trigger_engine.story import (
    DAY,
    DENIED,
    GRANTED,
    HOUR,
    MINUTE,
    NOON,
    ORDERED,
    REACHABLE,
    REMINDER,
    SILENT,
    Story,
    at,
    entered,
    order,
    rule,
)

DUE = NOON + 30 * DAY + 1
SENT = ("send", "sent")


def told(profile: Profile, *channels: str, purpose: str = "marketing", **more: Any) -> Story:
    """A customer who enters the silent stage at noon, under one rule."""
    story = Story(rule("recall", SILENT, *channels, purpose=purpose), profile=profile, **more)
    story.happens(NOON, changes=(entered("lifecycle", "silent", NOON),))
    return story


def with_consents(**consents: Consent) -> Profile:
    named = {name.replace("_", "/"): consent for name, consent in consents.items()}
    return msgspec.structs.replace(REACHABLE, consents=named)


@pytest.mark.parametrize(
    ("consents", "purpose", "expected"),
    [
        ({"all_marketing": GRANTED, "sms_marketing": GRANTED}, "marketing", SENT),
        ({"all_marketing": DENIED, "sms_marketing": GRANTED}, "marketing", ("skip", "suppressed")),
        ({"all_service": DENIED}, "service", ("skip", "suppressed")),
        ({"all_marketing": DENIED}, "service", SENT),
        ({"all_service": DENIED, "sms_marketing": GRANTED}, "marketing", SENT),
    ],
)
def test_suppressed_skips_who_has_opted_out_of_everything(
    consents: dict[str, Consent], purpose: str, expected: tuple[str, str]
) -> None:
    story = told(with_consents(**consents), purpose=purpose)

    assert story.verdicts() == [("recall", *expected)]


def test_half_a_person_waits_for_the_next_step_that_finds_him_whole() -> None:
    story = Story(rule("recall", SILENT))
    story.segments = Segments(lifecycle="silent")

    story.happens(NOON, changes=(entered("lifecycle", "silent", NOON),), whole=False)
    assert story.last().until is None
    assert story.due > NOON + 365 * DAY, "no tick can make him whole"
    story.happens(NOON + MINUTE, whole=False)
    story.happens(NOON + HOUR, whole=True)

    assert [decided.reason for decided in story.decisions] == ["half-person", "half-person", "sent"]
    assert story.commands[0].effective_at == NOON
    assert story.commands[0].decided_at == NOON + HOUR


def test_what_the_whole_person_does_not_want_is_skipped() -> None:
    story = Story(rule("recall", SILENT))

    story.happens(NOON, changes=(entered("lifecycle", "silent", NOON),), whole=False)
    story.segments = Segments(lifecycle="active")
    story.happens(NOON + HOUR, last_order_id="bought-under-the-other-id", whole=True)

    assert [(decided.verdict, decided.reason) for decided in story.decisions] == [
        ("defer", "half-person"),
        ("skip", "half-person"),
    ]


@pytest.mark.parametrize(
    ("consents", "channels", "purpose", "expected"),
    [
        ({"sms_marketing": GRANTED}, ["sms"], "marketing", "sms"),
        ({}, ["sms"], "marketing", None),
        ({"sms_marketing": DENIED}, ["sms"], "marketing", None),
        ({"sms_service": GRANTED}, ["sms"], "marketing", None),
        ({"sms_marketing": DENIED, "email_marketing": GRANTED}, ["sms", "email"], "marketing", "email"),
        ({}, ["sms"], "service", "sms"),
        ({"sms_service": DENIED}, ["sms"], "service", None),
        ({}, ["staff_task"], "marketing", "staff_task"),
    ],
)
def test_consent_keeps_the_touches_that_may_go(
    consents: dict[str, Consent], channels: list[str], purpose: str, expected: str | None
) -> None:
    story = told(with_consents(**consents), *channels, purpose=purpose)

    assert [command.channel for command in story.commands] == ([expected] if expected else [])
    assert story.last().reason == ("sent" if expected else "consent")


def test_age_skips_what_a_long_tick_finds_too_late() -> None:
    story = Story(rule("reminder", REMINDER), max_trigger_age_hours=24)

    story.buys(NOON)
    story.tick(DUE + 24 * HOUR + 1)

    assert story.verdicts() == [("reminder", "skip", "age")]


def test_age_passes_at_its_very_limit() -> None:
    story = Story(rule("reminder", REMINDER), max_trigger_age_hours=24)

    story.buys(NOON)
    story.tick(DUE + 24 * HOUR)

    assert story.verdicts() == [("reminder", *SENT)]


def test_age_is_not_looked_at_again_for_what_has_waited() -> None:
    quiet = {"start": "11:00", "end": "10:00"}
    story = Story(rule("recall", SILENT), quiet_hours=quiet, max_trigger_age_hours=1)

    story.happens(NOON, changes=(entered("lifecycle", "silent", NOON),))
    story.tick(NOON + DAY)

    assert [decided.verdict for decided in story.decisions] == ["defer", "send"]


def test_holdout_keeps_its_share_from_marketing_and_not_from_service() -> None:
    held = next(name for name in (f"customer-{n}" for n in range(100)) if share_of("salt", name) < 0.2)
    free = next(name for name in (f"customer-{n}" for n in range(100)) if share_of("salt", name) >= 0.2)
    holdout = {"share": 0.2, "salt": "salt"}

    assert told(REACHABLE, customer=held, holdout=holdout).verdicts() == [("recall", "skip", "holdout")]
    assert told(REACHABLE, customer=free, holdout=holdout).verdicts() == [("recall", *SENT)]
    assert told(REACHABLE, customer=held, holdout=holdout, purpose="service").verdicts() == [("recall", *SENT)]


def test_served_skips_the_same_rule_and_key_for_ever() -> None:
    story = told(REACHABLE)

    story.happens(NOON + 300 * DAY, changes=(entered("lifecycle", "silent", NOON + 300 * DAY),))
    for day, last in ((301, "o2"), (302, ""), (303, "o2")):
        when = NOON + day * DAY
        story.happens(when, changes=(entered("lifecycle", "silent", when),), last_order_id=last)

    assert [decided.reason for decided in story.decisions] == ["sent", "served", "sent", "served", "served"]


@pytest.mark.parametrize(("ttl_hours", "reason"), [(8, "expired"), (22, "sent")])
def test_expired_skips_what_waited_longer_than_it_lives(ttl_hours: int, reason: str) -> None:
    story = Story(rule("recall", SILENT, ttl_hours=ttl_hours), quiet_hours={"start": "11:00", "end": "10:00"})

    story.happens(NOON, changes=(entered("lifecycle", "silent", NOON),))
    story.tick(NOON + DAY)

    assert [decided.reason for decided in story.decisions] == ["quiet-hours", reason]


@pytest.mark.parametrize("purpose", ["marketing", "service"])
def test_quiet_hours_defer_to_their_local_end(purpose: str) -> None:
    night, morning = at("2025-06-02T22:00:00+08:00"), at("2025-06-03T09:00:00+08:00")
    story = Story(rule("recall", SILENT, purpose=purpose), quiet_hours={"start": "21:00", "end": "09:00"})

    story.happens(night, changes=(entered("lifecycle", "silent", night),))
    assert (story.last().verdict, story.last().reason, story.last().until) == ("defer", "quiet-hours", morning)
    assert story.due == morning
    story.tick(morning + MINUTE)

    (command,) = story.commands
    assert (command.effective_at, command.decided_at) == (night, morning)


def test_quiet_hours_are_the_customers_own() -> None:
    noon_in_shanghai = at("2025-06-02T00:00:00-04:00")
    story = Story(rule("recall", SILENT), quiet_hours={"start": "21:00", "end": "09:00"})

    story.happens(
        noon_in_shanghai, zone="America/New_York", changes=(entered("lifecycle", "silent", noon_in_shanghai),)
    )

    assert story.last().until == at("2025-06-02T09:00:00-04:00")


@pytest.mark.parametrize(
    ("contacts", "guide", "channels", "expected"),
    [
        ({"phone": "a"}, "", ["sms"], ("sms", "a", "phone", "")),
        ({"email": "a"}, "g", ["email"], ("email", "a", "email", "")),
        ({"external_userid": "a"}, "g", ["wecom"], ("wecom", "a", "external_userid", "g")),
        ({"external_userid": "a"}, "", ["wecom"], None),
        ({}, "g", ["wecom"], None),
        ({}, "g", ["staff_task"], ("staff_task", "", "", "g")),
        ({"phone": "a"}, "", ["staff_task"], None),
        ({"email": "a"}, "", ["wecom", "sms", "email"], ("email", "a", "email", "")),
    ],
)
def test_the_first_touch_that_arrives_is_taken(
    contacts: dict[str, str], guide: str, channels: list[str], expected: tuple[str, str, str, str] | None
) -> None:
    story = told(msgspec.structs.replace(REACHABLE, contacts=contacts, guide=guide), *channels)

    assert [(c.channel, c.alias, c.field, c.guide) for c in story.commands] == ([expected] if expected else [])
    assert story.last().reason == ("sent" if expected else "channel")


def test_a_touch_without_consent_is_not_taken_though_it_would_arrive() -> None:
    profile = msgspec.structs.replace(REACHABLE, contacts={"phone": "a"}, consents={"email/marketing": GRANTED})

    assert told(profile, "sms", "email").verdicts() == [("recall", "skip", "channel")]


def test_the_record_shows_every_gate_that_was_asked_and_the_facts() -> None:
    story = Story(rule("thanks", ORDERED, purpose="service"))

    story.happens(NOON, order("o1", NOON), orders=1, last_order_at=NOON - DAY, last_order_id="o1")

    asked = [gate.name for gate in story.last().gates]
    assert asked == [
        "suppressed",
        "half-person",
        "consent",
        "import",
        "age",
        "served",
        "expired",
        "quiet-hours",
        "channel",
    ]
    assert story.last().facts["orders"] == 1
    assert story.last().facts["days_since_last_order"] == 1
    assert story.last().facts["consents"] == {
        "email/marketing": True,
        "sms/marketing": True,
        "wecom/marketing": True,
    }
