"""A compiled policy: rules by their triggers, limits and waits; all times in ms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from shared.contract.bundles import Happened
from shared.language.calendar import zone_or
from shared.language.facts import Facts, Timer
from shared.language.policy import Holdout, Rule

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
    bought_before: int = 0
    """Milliseconds: an order at most so long before a beat ends what the beat armed while ids were being merged."""
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
