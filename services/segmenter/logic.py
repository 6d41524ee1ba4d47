"""One customer through facts, time and cuts: segments at each instant, changes where they differ; knows no engine."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import msgspec

from services.segmenter.lifecycle import next_edge, stage_at, warned_at
from services.segmenter.rfm import UNCLASSIFIED, Scale, class_of, grid
from services.segmenter.state import NO_DAY, Customer
from shared.contract.bundles import Cause, Change, Happened, Profile, ProfileStep, Segments, SegmentStep
from shared.instants import local_day
from shared.shop import Bounds

Taken = tuple[Customer, list[SegmentStep]]
"""The customer afterwards and the steps that lead there, in the order of their instants."""

YES_NO = ("no", "yes")


class InForce(msgspec.Struct, frozen=True):
    """What decides beside the customer: the shop's rules and the cuts in force."""

    bounds: Bounds
    high: int
    zone: ZoneInfo
    epoch: int = 0
    """Epoch of the cuts in force, 0 before the first."""
    scale: Scale | None = None


def take_facts(customer: Customer, steps: Sequence[ProfileStep], until: int, rules: InForce) -> Taken:
    """Upstream's steps, merged with the customer's own timers up to `until` (ms), which becomes his `now`."""
    taken: list[SegmentStep] = []
    for step in steps:
        at = max(step.at, customer.now)
        customer = _timers(customer, at - 1, rules, taken)
        day = _day(customer, step.profile, rules.zone)
        taken.append(_step(customer, step.profile, at, day=day, cause=step.cause, happened=step.happened, rules=rules))
        customer = _after(customer, taken[-1], day)
    return _until(_timers(customer, until, rules, taken), until), taken


def take_time(customer: Customer, until: int, rules: InForce) -> Taken:
    """Every own timer up to `until`, each at its own instant."""
    return take_facts(customer, (), until, rules)


def take_cuts(customer: Customer, at: int, rules: InForce) -> Taken:
    """The cuts in `rules` have just come into force; no step where they move nothing."""
    taken: list[SegmentStep] = []
    customer = _timers(customer, at - 1, rules, taken)
    step = _step(customer, customer.profile, at, day=customer.day, cause="cuts", rules=rules)
    if not step.changes and _scores(step.segments) == _scores(customer.segments):
        return customer, taken
    taken.append(step)
    return _after(customer, step, customer.day), taken


def take_merge(customer: Customer, at: int, rules: InForce) -> Taken:
    """State of another id was taken over: one step, whether anything changes or not, so that later hops look again."""
    taken: list[SegmentStep] = []
    customer = _timers(customer, at - 1, rules, taken)
    taken.append(_step(customer, customer.profile, at, day=customer.day, cause="merge", rules=rules))
    return _after(customer, taken[-1], customer.day), taken


def take_resync(customer: Customer, step: ProfileStep, clock: int, rules: InForce) -> Customer:
    """The customer as he is, if anything was ever heard of him; else where these facts put him, without any change to tell."""
    if customer != Customer():
        return customer
    at, day = max(clock, step.at), _day(customer, step.profile, rules.zone)
    return Customer(at, 0, day, step.profile, segments_of(step.profile, day, at, rules))


def due_of(customer: Customer, rules: InForce) -> int:
    """The next instant at which time alone may change something; NEVER if none."""
    profile = customer.profile
    return next_edge(profile.first_order_at, profile.last_order_at, customer.now, rules.bounds)


def segments_of(profile: Profile, day: int, at: int, rules: InForce) -> Segments:
    """Where these facts put a customer at `at`: the definition, docs/semantics.md §3."""
    first, last = profile.first_order_at, profile.last_order_at
    stage, warned = stage_at(first, last, at, rules.bounds), warned_at(last, at, rules.bounds)
    if rules.scale is None or profile.orders <= 0:
        return Segments(lifecycle=stage, sleep_warning=warned)
    if profile.window_orders <= 0:
        return Segments(lifecycle=stage, sleep_warning=warned, rfm=UNCLASSIFIED)
    scores = rules.scale.scores(day, profile.window_orders, grid(profile.window_amount))
    rfm = class_of(scores, rules.high)
    return Segments(
        lifecycle=stage, sleep_warning=warned, r=scores.r, f=scores.f, m=scores.m, rfm=rfm, cuts=rules.epoch
    )


def _timers(customer: Customer, until: int, rules: InForce, taken: list[SegmentStep]) -> Customer:
    """Own timers up to `until`; one that changes nothing leaves no step."""
    while (due := due_of(customer, rules)) <= until:
        step = _step(customer, customer.profile, due, day=customer.day, cause="time", rules=rules)
        if step.changes:
            taken.append(step)
            customer = _after(customer, step, customer.day)
        else:
            customer = _until(customer, due)
    return customer


def _step(
    customer: Customer,
    profile: Profile,
    at: int,
    *,
    day: int,
    cause: Cause,
    rules: InForce,
    happened: tuple[Happened, ...] = (),
) -> SegmentStep:
    after = segments_of(profile, day, at, rules)
    changes = _changes(customer.segments, after, at, cause)
    return SegmentStep(at=at, cause=cause, profile=profile, segments=after, happened=happened, changes=changes)


def _changes(before: Segments, after: Segments, at: int, cause: Cause) -> tuple[Change, ...]:
    """In the order lifecycle, sleep_warning, rfm."""
    changes = []
    if before.lifecycle != after.lifecycle:
        changes.append(
            Change(dimension="lifecycle", before=before.lifecycle, after=after.lifecycle, at=at, cause=cause)
        )
    if before.sleep_warning != after.sleep_warning:
        was, is_now = YES_NO[before.sleep_warning], YES_NO[after.sleep_warning]
        changes.append(Change(dimension="sleep_warning", before=was, after=is_now, at=at, cause=cause))
    if before.rfm != after.rfm:
        changes.append(Change(dimension="rfm", before=before.rfm, after=after.rfm, at=at, cause=cause))
    return tuple(changes)


def _after(customer: Customer, step: SegmentStep, day: int) -> Customer:
    return Customer(step.at, customer.seq + len(step.changes), day, step.profile, step.segments)


def _until(customer: Customer, now: int) -> Customer:
    if now <= customer.now:
        return customer
    return Customer(now, customer.seq, customer.day, customer.profile, customer.segments)


def _day(customer: Customer, profile: Profile, zone: ZoneInfo) -> int:
    """The local day of the last order, computed only when that order is another."""
    last = profile.last_order_at
    if last is None:
        return NO_DAY
    return customer.day if last == customer.profile.last_order_at else local_day(last, zone)


def _scores(segments: Segments) -> tuple[int, int, int]:
    return segments.r, segments.f, segments.m
