"""The policy document: rules, caps, quiet hours, holdout and sources as one versioned value."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shared.contract.broadcasts import BEHAVIOUR, SourceName
from shared.contract.facts import Channel, Purpose
from shared.language.triggers import When
from shared.language.values import Hours, Id, LocalTime, Positive, Strict

WAITING = 2
"""The behaviour from which on rules wait for sources."""
LONGEST_CAP_HOURS = 366 * 24
"""Uses of a cap are remembered this long."""


class Message(Strict, frozen=True):
    """A channel and the template for it."""

    channel: Channel
    template: Id


class Touch(Strict, frozen=True):
    """One way to reach the customer: a message and its declared companions, together one cap unit."""

    message: Message
    companions: tuple[Message, ...] = ()


class Rule(Strict, frozen=True):
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


class Cap(Strict, frozen=True):
    """At most `count` touches within `hours` (rolling)."""

    count: Positive
    hours: Positive


class QuietHours(Strict, frozen=True):
    """No message starts in [start, end) local time; may span midnight."""

    start: LocalTime
    end: LocalTime


class Holdout(Strict, frozen=True):
    """The share of customers who get no marketing, to measure its effect; chosen by salt and customer id."""

    share: Annotated[float, Meta(ge=0, le=1)]
    salt: str


class SourceTerms(Strict, frozen=True):
    """How late a source reports at most."""

    grace_minutes: Annotated[int, Meta(ge=1, le=527_040)]
    """So long after an instant it has told of that instant, even if it declares nothing."""


class Policy(Strict, frozen=True):
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
    sources: dict[SourceName, SourceTerms] = msgspec.field(default_factory=dict)
    """Of sources that rules wait for."""
    max_trigger_age_hours: Annotated[int, Meta(ge=1, le=72)] = 24


def policy_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the document."""
    return msgspec.json.schema(Policy)
