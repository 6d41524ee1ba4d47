"""The policy document: rules, gates and caps as one versioned value; knows no customer and decides nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shared.contract.broadcasts import BEHAVIOUR, SourceName
from shared.contract.facts import Channel, Purpose

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Positive = Annotated[int, Meta(ge=1, le=2**53)]
Days = Annotated[int, Meta(ge=1, le=3_660)]
"""At most ten years: an instant plus a wait stays an instant that can be kept."""
Hours = Annotated[int, Meta(ge=1, le=87_840)]
LocalTime = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


WAITING = 2
"""The behaviour from which on rules wait for sources."""
_WITHOUT_PURCHASE = (("lifecycle", "silent"), ("lifecycle", "churned"), ("sleep_warning", "yes"))


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class SinceLastOrder(_Strict, frozen=True, tag_field="on", tag="since_last_order"):
    """More than `days` × 24 h have passed since the latest purchase."""

    days: Days


class Enters(_Strict, frozen=True, tag_field="on", tag="enters"):
    """The customer's `dimension` becomes `to`, for one of `causes`."""

    dimension: Literal["lifecycle", "sleep_warning", "rfm"]
    to: str
    causes: tuple[str, ...] = ("event", "time", "correction")


class Birthday(_Strict, frozen=True, tag_field="on", tag="birthday"):
    """The customer's birthday at `at` local time, `days_before` days earlier."""

    at: LocalTime = "09:30"
    days_before: Annotated[int, Meta(ge=0, le=60)] = 0


class Browsed(_Strict, frozen=True, tag_field="on", tag="browsed"):
    """A product was visible for more than `minutes` within 24 h, and no order followed within `wait_hours`."""

    minutes: Positive = 5
    wait_hours: Hours = 24


class Ordered(_Strict, frozen=True, tag_field="on", tag="ordered"):
    """An order was placed; with `nth`, only the customer's n-th order of all time."""

    nth: Positive | None = None


When = SinceLastOrder | Enters | Birthday | Browsed | Ordered


class Message(_Strict, frozen=True):
    """A channel and the template for it."""

    channel: Channel
    template: Id


class Touch(_Strict, frozen=True):
    """One way to reach the customer: a message and its declared companions, together one cap unit."""

    message: Message
    companions: tuple[Message, ...] = ()


class Rule(_Strict, frozen=True):
    """When somebody might be contacted, how, and what it is worth."""

    id: Id
    when: When
    value: Annotated[int, Meta(ge=-(10**14), le=10**14)]
    """Worth of the touch in minor units: the higher goes first when several want the same customer."""
    purpose: Purpose
    touches: Annotated[tuple[Touch, ...], Meta(min_length=1)]
    """Ways in order of preference: the first whose message may go is taken."""
    ttl_hours: Hours = 72
    """send_by = effective instant + this."""
    waits_for: Annotated[tuple[SourceName, ...], Meta(max_length=8)] = ()
    """Of a rule that means "he has not bought": sources that must have told of the time up to its instant before."""


class Cap(_Strict, frozen=True):
    """At most `count` touches within `hours` (rolling)."""

    count: Positive
    hours: Positive


class QuietHours(_Strict, frozen=True):
    """No message starts in [start, end) local time; may span midnight."""

    start: LocalTime
    end: LocalTime


class Holdout(_Strict, frozen=True):
    """The share of customers who get no marketing, to measure its effect; chosen by salt and customer id."""

    share: Annotated[float, Meta(ge=0, le=1)]
    salt: str


class SourceTerms(_Strict, frozen=True):
    """How late a source reports at most."""

    grace_minutes: Annotated[int, Meta(ge=1, le=527_040)]
    """So long after an instant it has told of that instant, even if it declares nothing."""


class Policy(_Strict, frozen=True):
    """The whole document."""

    version: Positive
    rules: tuple[Rule, ...]
    behaviour: Annotated[int, Meta(ge=1, le=BEHAVIOUR)] = 1
    """How the code decides from this policy on; raised once every worker runs code that knows the number."""
    caps: tuple[Cap, ...] = ()
    """Over all marketing touches of one customer."""
    min_gap_hours: Annotated[int, Meta(ge=0)] = 0
    """Between two marketing touches of one customer: the cap {count 1, hours n}."""
    quiet_hours: QuietHours | None = None
    holdout: Holdout | None = None
    sources: dict[SourceName, SourceTerms] = {}
    """Of sources that rules wait for."""
    max_trigger_age_hours: Annotated[int, Meta(ge=1, le=72)] = 24


def parse_policy(document: Any) -> Policy:
    """The policy from decoded JSON or YAML; raises ValueError naming the field and the reason."""
    try:
        policy = msgspec.convert(document, Policy, strict=True)
    except msgspec.ValidationError as error:
        msg = f"policy: {error}"
        raise ValueError(msg) from error
    ids = [rule.id for rule in policy.rules]
    for rule_id in ids:
        if ids.count(rule_id) > 1:
            msg = f"policy: rules: the id {rule_id!r} is used {ids.count(rule_id)} times"
            raise ValueError(msg)
    for index, rule in enumerate(policy.rules):
        if rule.waits_for and policy.behaviour < WAITING:
            msg = f"policy: rules[{index}].waits_for: needs behaviour {WAITING}"
            raise ValueError(msg)
        if rule.waits_for and not _may_wait(rule.when):
            msg = f"policy: rules[{index}].waits_for: only a rule that means 'he has not bought' waits for sources"
            raise ValueError(msg)
    return policy


def _may_wait(when: When) -> bool:
    if isinstance(when, Enters):
        return (when.dimension, when.to) in _WITHOUT_PURCHASE
    return isinstance(when, SinceLastOrder | Browsed)


def policy_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the document."""
    return msgspec.json.schema(Policy)
