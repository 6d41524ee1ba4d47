"""A policy compiled: rules by their triggers, conditions as closures over facts; knows no state and no gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, get_args
from zoneinfo import ZoneInfo

import msgspec

from services.trigger_engine.calendar import minute_of_day, next_birthday, zone_or
from services.trigger_engine.state import Facts, Timer
from shared.contract.bundles import Cause, Happened
from shared.language.policy import Birthday, Browsed, Enters, Holdout, Ordered, Policy, Rule, SinceLastOrder

HOUR: Final = 3_600_000
MINUTE: Final = 60_000
LONGEST_CAP_HOURS: Final = 366 * 24
"""Uses are remembered this long."""

TELLS_CONSENTS: Final = 3
"""The behaviour from which on the notifier is told of consents."""
_MOVES: Final = ("value", "develop", "keep", "winback")
_CLASSES: Final = frozenset(f"{worth}_{move}" for worth in ("important", "general") for move in _MOVES)
_PLACES: Final[Mapping[str, frozenset[str]]] = {
    "lifecycle": frozenset({"none", "new", "active", "silent", "churned", "loyal"}),
    "sleep_warning": frozenset({"yes", "no"}),
    "rfm": _CLASSES | {"unclassified", "none"},
}
_CAUSES: Final = tuple(cause for cause in get_args(Cause) if cause != "resync")
_NOT_BOUGHT: Final = frozenset({("lifecycle", "silent"), ("lifecycle", "churned"), ("sleep_warning", "yes")})

ArmByFacts = Callable[[Facts, int], Timer | None]
"""The timer of a rule strictly above the instant, from the facts."""
ArmByBeat = Callable[[Happened], Timer | None]
"""The timer that a view of a product arms; it may lie in the past."""


class Limit(NamedTuple):
    """At most `most` uses within `span` ms."""

    most: int
    span: int


class Quiet(NamedTuple):
    """Local minutes of the day, [start, end)."""

    start: int
    end: int


class Rulebook(msgspec.Struct, frozen=True, kw_only=True):
    """A policy in force since the logical instant `activated`; all times in ms."""

    version: int
    activated: int
    tells_consents: bool = False
    """Refusals are told to the notifier as commands (behaviour 3)."""
    zone: ZoneInfo
    """Of the shop: for customers who name none."""
    exponent: int
    rules: Mapping[str, Rule] = {}
    on_last_order: Mapping[str, ArmByFacts] = {}
    on_birthday: Mapping[str, ArmByFacts] = {}
    on_beat: Mapping[str, ArmByBeat] = {}
    on_change: Mapping[tuple[str, str], tuple[tuple[str, frozenset[str]], ...]] = {}
    """(dimension, place entered) → rules and the causes they listen to."""
    on_order: tuple[tuple[str, int | None], ...] = ()
    """Rules and the count of orders they want."""
    negative: frozenset[str] = frozenset()
    """Rules that mean "he has not bought"."""
    limits: tuple[Limit, ...] = ()
    quiet: Quiet | None = None
    holdout: Holdout | None = None
    max_age: int = 0
    waits: Mapping[str, tuple[str, ...]] = {}
    """Rule → the sources it waits for."""
    graces: Mapping[str, int] = {}
    """Source → how late it reports at most."""
    declared: Mapping[str, int] = {}
    """Source → the instant up to which it has declared to have told everything; not of the policy."""

    @property
    def on_entering(self) -> frozenset[str]:
        """Rules whose candidates name the latest order because the person entered a segment."""
        return frozenset(rule for rules in self.on_change.values() for rule, _ in rules)

    def local_zone(self, facts: Facts) -> ZoneInfo:
        """The customer's zone, else the shop's."""
        return zone_or(facts.zone, self.zone)


def compile_policy(policy: Policy, *, activated: int, zone: ZoneInfo, exponent: int) -> Rulebook:
    """The policy as the engine works by it; ValueError names the field that makes no sense."""
    _check(policy)
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
        zone=zone,
        exponent=exponent,
        rules={rule.id: rule for rule in policy.rules},
        on_last_order={rule.id: _since(rule.id, when) for rule, when in whens if isinstance(when, SinceLastOrder)},
        on_birthday={rule.id: _birthday(rule.id, when, zone) for rule, when in whens if isinstance(when, Birthday)},
        on_beat={rule.id: _browsed(rule.id, when) for rule, when in whens if isinstance(when, Browsed)},
        on_change=on_change,
        on_order=tuple((rule.id, when.nth) for rule, when in whens if isinstance(when, Ordered)),
        negative=frozenset(rule.id for rule in policy.rules if _means_not_bought(rule)),
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


def _check(policy: Policy) -> None:
    for index, rule in enumerate(policy.rules):
        when = rule.when
        if not isinstance(when, Enters):
            continue
        if when.to not in _PLACES[when.dimension]:
            known = ", ".join(sorted(_PLACES[when.dimension]))
            raise ValueError(f"policy: rules[{index}].when.to: {when.to!r} is no {when.dimension}; one of {known}")
        for cause in when.causes:
            if cause not in _CAUSES:
                known = ", ".join(_CAUSES)
                raise ValueError(f"policy: rules[{index}].when.causes: {cause!r} is no cause; one of {known}")
    for index, cap in enumerate(policy.caps):
        if cap.hours > LONGEST_CAP_HOURS:
            raise ValueError(f"policy: caps[{index}].hours: {cap.hours} is above {LONGEST_CAP_HOURS} (366 days)")
    if policy.min_gap_hours > LONGEST_CAP_HOURS:
        raise ValueError(f"policy: min_gap_hours: {policy.min_gap_hours} is above {LONGEST_CAP_HOURS} (366 days)")


def _means_not_bought(rule: Rule) -> bool:
    when = rule.when
    if isinstance(when, Enters):
        return (when.dimension, when.to) in _NOT_BOUGHT
    return isinstance(when, SinceLastOrder | Browsed)


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
