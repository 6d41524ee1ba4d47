"""A customer's story told to the trigger engine, bundle by bundle and tick by tick; builders of facts and policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from services.trigger_engine.fold import TriggerFold
from services.trigger_engine.state import State
from shared.contract.broadcasts import PolicyPublished
from shared.contract.bundles import Cause, Change, Consent, Happened, Profile, Segments, SegmentStep, SegmentsUpdated
from shared.contract.commands import SendMessage
from shared.contract.origin import Origin
from shared.contract.public_records import CandidateDecided
from shared.engine.fold.fold import Context, Outcome
from shared.instants import parse_instant
from shared.shop import Shop

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOON = parse_instant("2025-06-02T12:00:00+08:00")
"""A Monday noon in Shanghai, far from quiet hours."""

GRANTED = Consent(granted=True, at=1)
DENIED = Consent(granted=False, at=1)
REACHABLE = Profile(
    guide="guide-7",
    consents={f"{channel}/marketing": GRANTED for channel in ("sms", "email", "wecom")},
    contacts={"phone": "alias-1", "email": "alias-2", "external_userid": "alias-3"},
)


def at(text: str) -> int:
    return parse_instant(text)


def rule(
    name: str,
    when: dict[str, Any],
    *channels: str,
    value: int = 100,
    purpose: str = "marketing",
    companions: Sequence[str] = (),
    ttl_hours: int = 72,
) -> dict[str, Any]:
    """A rule with one touch per channel (sms without any); its template is called like the rule."""
    also = [{"channel": channel, "template": f"{name}-{channel}"} for channel in companions]
    touches = [
        {"message": {"channel": channel, "template": name}, "companions": also} for channel in channels or ("sms",)
    ]
    return {"id": name, "when": when, "value": value, "purpose": purpose, "touches": touches, "ttl_hours": ttl_hours}


REMINDER = {"on": "since_last_order", "days": 30}
SILENT = {"on": "enters", "dimension": "lifecycle", "to": "silent"}
WARNING = {"on": "enters", "dimension": "sleep_warning", "to": "yes"}
BIRTHDAY = {"on": "birthday", "at": "09:30"}
BROWSED = {"on": "browsed", "minutes": 5, "wait_hours": 24}
ORDERED = {"on": "ordered"}


def policy(*rules: dict[str, Any], version: int = 1, **more: Any) -> dict[str, Any]:
    return {"version": version, "rules": list(rules), **more}


def order(order_id: str, when: int, **more: Any) -> Happened:
    return Happened(what="order.placed", id=f"e-{order_id}", at=when, ref=order_id, **more)


def beat(product: str, when: int, *, before: int = 4 * MINUTE, after: int = 6 * MINUTE, name: str = "b") -> Happened:
    return Happened(what="product.viewed", id=name, at=when, ref=product, before=before, after=after)


def entered(dimension: Any, place: str, when: int, cause: Cause = "time") -> Change:
    return Change(dimension=dimension, before="", after=place, at=when, cause=cause)


class Story:
    """One customer before a fresh fold. What the engine says is collected; his profile is kept from step to step."""

    def __init__(
        self,
        *rules: dict[str, Any],
        profile: Profile = REACHABLE,
        customer: str = "customer-1",
        clock: int = 0,
        zone: str = "Asia/Shanghai",
        gates_off: frozenset[str] = frozenset(),
        **more: Any,
    ) -> None:
        self.fold = TriggerFold(Shop(zone=zone), gates_off=gates_off)
        self.customer, self.profile, self.segments, self.clock = customer, profile, Segments(), clock
        self.state: State = self.fold.empty()
        self.due = 0
        self.commands: list[SendMessage] = []
        self.decisions: list[CandidateDecided] = []
        self._offset = 0
        if rules:
            self.rules(policy(*rules, **more))

    def rules(self, document: dict[str, Any]) -> None:
        """A policy comes into force at the clock."""
        published = PolicyPublished(document["version"], document)
        self.fold.adopt(published, self.clock)
        self._take(self.fold.on_broadcast(self.state, published, self._context()))

    def step(
        self,
        when: int,
        *happened: Happened,
        cause: Cause | None = None,
        changes: tuple[Change, ...] = (),
        **facts: Any,
    ) -> SegmentStep:
        """A step with the profile as it was, but for `facts`."""
        self.profile = msgspec.structs.replace(self.profile, **facts)
        made: Cause = cause or ("event" if happened else "time")
        return SegmentStep(
            at=when,
            cause=made,
            profile=self.profile,
            segments=self.segments,
            happened=happened,
            changes=changes,
        )

    def bundle(self, *steps: SegmentStep, as_of: int = 0, whole: bool = True) -> None:
        self._offset += 1
        origin = Origin(1, 0, self._offset)
        until = max(as_of, self.clock, *(step.at for step in steps))
        record = SegmentsUpdated(origin=origin, as_of=until, steps=steps)
        self._take(self.fold.on_record(self.state, record, self._context(whole=whole)))

    def happens(self, when: int, *happened: Happened, as_of: int = 0, whole: bool = True, **more: Any) -> None:
        """A bundle of one step."""
        self.bundle(self.step(when, *happened, **more), as_of=as_of, whole=whole)

    def buys(self, when: int, order_id: str = "o1", **more: Any) -> None:
        """A live order."""
        facts: dict[str, Any] = {"orders": self.profile.orders + 1, "last_order_at": when, "last_order_id": order_id}
        self.happens(when, order(order_id, when), **(facts | more))

    def tick(self, as_of: int, *, whole: bool = True) -> None:
        self.clock = max(self.clock, as_of)
        if self.due <= self.clock:
            self._take(self.fold.on_time(self.state, self._context(whole=whole)))

    def verdicts(self) -> list[tuple[str, str, str]]:
        """(rule, verdict, reason) of every decision."""
        return [(decided.rule, decided.verdict, decided.reason) for decided in self.decisions]

    def last(self) -> CandidateDecided:
        return self.decisions[-1]

    def take(self, outcome: Outcome[State]) -> None:
        self._take(outcome)

    def _context(self, *, whole: bool = True) -> Context:
        return Context(self.customer, self.customer, self.clock, self.clock, Origin(1, 0, self._offset), whole, True)

    def _take(self, outcome: Outcome[State] | None) -> None:
        if outcome is None:
            return
        self.state, self.due = outcome.state, outcome.due
        for output in outcome.outputs:
            assert output.key == self.customer
            if isinstance(output.value, SendMessage):
                self.commands.append(output.value)
            else:
                assert isinstance(output.value, CandidateDecided)
                self.decisions.append(output.value)
