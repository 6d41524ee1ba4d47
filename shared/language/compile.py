"""Compiles a policy: triggers become closures over facts that arm timers."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from shared.contract.bundles import Happened
from shared.language.calendar import minute_of_day, next_birthday, zone_or
from shared.language.facts import Facts, Timer
from shared.language.policy import Policy
from shared.language.rulebook import ArmByBeat, ArmByFacts, Limit, Quiet, Rulebook
from shared.language.triggers import Birthday, Browsed, Enters, Ordered, SinceLastOrder, means_not_bought

HOUR: Final = 3_600_000
MINUTE: Final = 60_000
SINCE_ORDER: Final = 4
"""The behaviour from which on visible time counts from the latest order."""
TELLS_CONSENTS: Final = 3
"""The behaviour from which on the notifier is told of consents."""


def compile_policy(policy: Policy, *, activated: int, zone: ZoneInfo, exponent: int) -> Rulebook:
    """The rulebook of a checked policy, in force since the logical instant `activated` (ms)."""
    whens = [(rule, rule.when) for rule in policy.rules]
    on_change: dict[tuple[str, str], tuple[tuple[str, frozenset[str]], ...]] = {}
    for rule, when in whens:
        if isinstance(when, Enters):
            place = (when.dimension, when.to)
            on_change[place] = (*on_change.get(place, ()), (rule.id, frozenset(when.causes)))
    gap = (Limit(1, policy.min_gap_hours * HOUR),) if policy.min_gap_hours else ()
    quiet = policy.quiet_hours
    return Rulebook(
        version=policy.version,
        activated=activated,
        tells_consents=policy.behaviour >= TELLS_CONSENTS,
        bought_before=24 * HOUR - 1 if policy.behaviour >= SINCE_ORDER else 0,
        zone=zone,
        exponent=exponent,
        rules={rule.id: rule for rule in policy.rules},
        on_last_order={rule.id: _since(rule.id, when) for rule, when in whens if isinstance(when, SinceLastOrder)},
        on_birthday={rule.id: _birthday(rule.id, when, zone) for rule, when in whens if isinstance(when, Birthday)},
        on_beat={rule.id: _browsed(rule.id, when) for rule, when in whens if isinstance(when, Browsed)},
        on_change=on_change,
        on_order=tuple((rule.id, when.nth) for rule, when in whens if isinstance(when, Ordered)),
        negative=frozenset(rule.id for rule in policy.rules if means_not_bought(rule.when)),
        limits=(*(Limit(cap.count, cap.hours * HOUR) for cap in policy.caps), *gap),
        quiet=None if quiet is None else Quiet(minute_of_day(quiet.start), minute_of_day(quiet.end)),
        holdout=policy.holdout,
        max_age=policy.max_trigger_age_hours * HOUR,
        waits={rule.id: rule.waits_for for rule in policy.rules if rule.waits_for},
        graces={name: terms.grace_minutes * MINUTE for name, terms in policy.sources.items()},
    )


def no_rules(zone: ZoneInfo, exponent: int) -> Rulebook:
    """Before the first policy: nothing fires."""
    return Rulebook(version=0, activated=0, zone=zone, exponent=exponent)


def _since(rule: str, when: SinceLastOrder) -> ArmByFacts:
    wait = when.days * 24 * HOUR + 1

    def arm(facts: Facts, after: int) -> Timer | None:
        if facts.last_order_at is None or facts.last_order_at + wait <= after:
            return None
        return Timer(facts.last_order_at + wait, rule, facts.last_order_id)

    return arm


def _birthday(rule: str, when: Birthday, shop_zone: ZoneInfo) -> ArmByFacts:
    minute = minute_of_day(when.at)

    def arm(facts: Facts, after: int) -> Timer | None:
        if not facts.birthday:
            return None
        zone = zone_or(facts.zone, shop_zone)
        found = next_birthday(facts.birthday, after, minute=minute, days_before=when.days_before, zone=zone)
        return found and Timer(found[0], rule, str(found[1]))

    return arm


def _browsed(rule: str, when: Browsed) -> ArmByBeat:
    enough, wait = when.minutes * MINUTE, when.wait_hours * HOUR

    def arm(beat: Happened) -> Timer | None:
        if not beat.before <= enough < beat.after:
            return None
        return Timer(beat.at + wait, rule, f"{beat.ref}@{beat.id}", beat.ref, beat.alias)

    return arm
