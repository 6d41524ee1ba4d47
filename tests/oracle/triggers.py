"""The instants at which the rules want a customer: timers of the profile, products browsed, changes and purchases."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from shared.contract.bundles import Profile, Segments
from shared.contract.facts import OrderPlaced, ProductViewed
from shared.language.policy import Policy, Rule
from shared.language.triggers import Birthday, Browsed, Enters, Ordered, SinceLastOrder
from shared.shop import DAY, Shop
from tests.oracle.acceptance import Taken
from tests.oracle.answers import Moved
from tests.oracle.gates import HOUR, Candidate
from tests.oracle.moments import birthdays, zone_of

NEGATIVE_ENTRIES = {("lifecycle", "silent"), ("lifecycle", "churned"), ("sleep_warning", "yes")}
"""(dimension, value) of the segments that say "the customer has not bought"."""


class Step(msgspec.Struct, frozen=True):
    """One instant of the customer as the rules see it; `taken` is the fact of the step, if it has one."""

    now: int
    as_of: int
    profile: Profile
    segments: Segments
    whole: bool = True
    changes: tuple[Moved, ...] = ()
    taken: Taken | None = None
    visible: tuple[int, int] = (0, 0)

    @property
    def happened_at(self) -> int:
        """Instant, in ms, of the cause of the step: a late report happened before its instant."""
        return self.now if self.taken is None else min(self.now, self.taken.at)


def timers(policy: Policy, profile: Profile, shop: Shop, *, above: int) -> Iterator[Candidate]:
    """Timers that follow from the profile alone: the next of each rule after the instant `above` (ms)."""
    for rule in policy.rules:
        if isinstance(rule.when, SinceLastOrder) and profile.last_order_at is not None:
            at = profile.last_order_at + rule.when.days * DAY + 1
            if at > above:
                yield Candidate(rule.id, profile.last_order_id, at, timed=True)
        if isinstance(rule.when, Birthday):
            yield from _next_birthday(rule.id, rule.when, profile, shop, above)


def _next_birthday(rule_id: str, when: Birthday, profile: Profile, shop: Shop, above: int) -> Iterator[Candidate]:
    if not profile.birthday:
        return
    zone = zone_of(profile.zone, shop.zone)
    for at, year in birthdays(profile.birthday, days_before=when.days_before, at=when.at, zone=zone):
        if at > above:
            yield Candidate(rule_id, str(year), at, timed=True)
            return


def browsed_rules(policy: Policy) -> set[str]:
    """Ids of the rules that browsing arms."""
    return {rule.id for rule in policy.rules if isinstance(rule.when, Browsed)}


def armed_by(policy: Policy, step: Step, *, above: int) -> Iterator[tuple[str, Candidate]]:
    """(product, timer) of each rule whose limit of visible time the beat of this step crosses, if due after `above`."""
    if step.taken is None or not isinstance(step.taken.fact, ProductViewed):
        return
    beat, (before, after) = step.taken.fact, step.visible
    for rule in policy.rules:
        if isinstance(rule.when, Browsed):
            at = step.taken.at + rule.when.wait_hours * HOUR
            if before <= rule.when.minutes * 60_000 < after and at > above:
                yield beat.product, Candidate(rule.id, f"{beat.product}@{beat.id}", at, timed=True)


def raised_by(policy: Policy, step: Step) -> Iterator[Candidate]:
    """Candidates that the changes and the purchase of a step raise at once."""
    for rule in policy.rules:
        if isinstance(rule.when, Enters):
            for change in step.changes:
                named = change.cause in rule.when.causes
                if named and (change.dimension, change.after) == (rule.when.dimension, rule.when.to):
                    timed = change.cause == "time"
                    effective_at = change.effective_at if timed else step.happened_at
                    yield Candidate(rule.id, step.profile.last_order_id, effective_at, timed=timed)
        if isinstance(rule.when, Ordered) and step.taken is not None and step.taken.purchase:
            assert isinstance(step.taken.fact, OrderPlaced)
            if rule.when.nth in (None, step.profile.orders):
                yield Candidate(rule.id, step.taken.fact.order_id, step.happened_at, timed=False)


def is_negative(rule: Rule) -> bool:
    """True for a rule that says "the customer has not bought"."""
    when = rule.when
    if isinstance(when, Enters):
        return (when.dimension, when.to) in NEGATIVE_ENTRIES
    return isinstance(when, SinceLastOrder | Browsed)
