"""The gates that a candidate passes in turn, each a sentence of the semantics; knows one moment, keeps nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from shared.contract.bundles import Profile, Segments
from shared.ids import share_of
from shared.language.policy import Message, Policy, Rule, Touch
from shared.language.triggers import Browsed, Enters, Ordered, SinceLastOrder
from shared.shop import Shop
from tests.oracle.moments import quiet_until, zone_of
from tests.oracle.silences import is_forgotten
from tests.oracle.statements import ANEW

HOUR = 3_600_000
FIELDS = {"sms": "phone", "email": "email", "wecom": "external_userid", "staff_task": ""}
"""Contact field that a channel needs."""


class Candidate(msgspec.Struct, frozen=True):
    """A rule that wants to touch the customer; `timed`: it comes from a timer or from cause time."""

    rule: str
    key: str
    effective_at: int
    timed: bool
    waited: bool = False
    half: bool = False
    """Waiting: some of the person was missing when it was looked at last."""
    until: int | None = None
    held: bool = False
    """It waits for sources to tell everything; `until` then is the last instant of that wait."""
    silent: bool = False
    """It waits since a step whose fact came by import."""
    too_old: bool = False
    """It waits, and was too old already when it began to."""

    @property
    def name(self) -> tuple[str, str]:
        """What the ledger knows it by."""
        return self.rule, self.key


class Moment(msgspec.Struct, frozen=True):
    """What is known of the customer when a candidate is judged; all instants ms."""

    now: int
    as_of: int
    customer: str
    profile: Profile
    segments: Segments
    policy: Policy
    shop: Shop
    whole: bool
    silent: bool
    baseline: int | None
    unconfirmed: bool
    served: frozenset[tuple[str, str]]
    uses: tuple[int, ...]
    """Instants of the marketing touches that count, ascending."""
    taken: bool
    """Another marketing candidate was sent or deferred in this arbitration."""
    waiting: tuple[Rule, ...]
    """Rules of the marketing candidates that wait for later."""
    told_until: Mapping[str, int]
    """Source → the instant up to which it has declared to have told everything."""


class Case(msgspec.Struct, frozen=True):
    """One candidate of a rule at one moment."""

    candidate: Candidate
    rule: Rule
    moment: Moment


class Ruling(msgspec.Struct, frozen=True):
    """What a gate says when it does not let pass."""

    verdict: Literal["defer", "skip"]
    until: int | None = None
    held: bool = False
    open_end: bool = False
    """Nobody can say now that it may go at `until`."""


SKIP = Ruling("skip")
Gate = Callable[[Case], Ruling | None]


def expires(candidate: Candidate, rule: Rule) -> int:
    """After this instant it must not go any more."""
    return candidate.effective_at + rule.ttl_hours * HOUR


def allowed(message: Message, rule: Rule, profile: Profile) -> bool:
    """Consent for this channel and purpose."""
    if message.channel == "staff_task":
        return True
    consent = profile.consents.get(f"{message.channel}/{rule.purpose}")
    if rule.purpose == "service":
        return consent is None or consent.granted
    return consent is not None and consent.granted


def reachable(message: Message, profile: Profile) -> bool:
    """Whether there is an address, and for WeCom and tasks a guide."""
    field = FIELDS[message.channel]
    addressed = not field or field in profile.contacts
    return addressed and (bool(profile.guide) or message.channel not in ("wecom", "staff_task"))


def chosen(rule: Rule, profile: Profile) -> Touch | None:
    """The first touch whose message may go and can."""
    return next((t for t in rule.touches if allowed(t.message, rule, profile) and reachable(t.message, profile)), None)


def _erased(case: Case) -> Ruling | None:
    profile = case.moment.profile
    if not profile.erased:
        return None
    return SKIP if is_forgotten(profile) or case.candidate.effective_at <= profile.erased else None


def _suppressed(case: Case) -> Ruling | None:
    consent = case.moment.profile.consents.get(f"all/{case.rule.purpose}")
    return SKIP if consent is not None and not consent.granted else None


def _half_person(case: Case) -> Ruling | None:
    if not case.moment.whole:
        return Ruling("defer")
    return SKIP if case.candidate.half and not _holds(case) else None


def _holds(case: Case) -> bool:
    """Whether what raised it for half a person is so of the whole one."""
    profile, segments, key = case.moment.profile, case.moment.segments, case.candidate.key
    match case.rule.when:
        case Enters(dimension=dimension, to=to):
            warned = {True: "yes", False: "no"}[segments.sleep_warning]
            now = warned if dimension == "sleep_warning" else getattr(segments, dimension)
            return (now, key) == (to, profile.last_order_id)
        case SinceLastOrder():
            return key == profile.last_order_id
        case Browsed(wait_hours=wait):
            beat, day = case.candidate.effective_at - wait * HOUR, 24 * HOUR
            if case.moment.policy.behaviour >= ANEW:
                return profile.last_order_at is None or profile.last_order_at <= beat - day
            return profile.last_order_at is None or profile.last_order_at < beat
        case Ordered(nth=nth):
            return nth is None or profile.orders == nth
    return True


def silent_sources(
    candidate: Candidate, rule: Rule, policy: Policy, told_until: Mapping[str, int], now: int
) -> list[str]:
    """Those of the rule's sources that may still have something to tell of the time up to the candidate's instant."""
    silent = []
    for source in rule.waits_for:
        reached = [told_until.get(source, 0)]
        if source in policy.sources:
            reached.append(now - policy.sources[source].grace_minutes * 60_000)
        if max(reached) < candidate.effective_at:
            silent.append(source)
    return silent


def _incomplete(case: Case) -> Ruling | None:
    moment, last = case.moment, expires(case.candidate, case.rule)
    silent = silent_sources(case.candidate, case.rule, moment.policy, moment.told_until, moment.now)
    if not silent or moment.now > last:
        return None
    terms = [moment.policy.sources[source] for source in silent if source in moment.policy.sources]
    at = case.candidate.effective_at + max((each.grace_minutes * 60_000 for each in terms), default=0)
    if len(terms) == len(silent) and at <= last:
        return Ruling("defer", at, held=True)
    return Ruling("defer", last + 1, held=True, open_end=True)


def _consent(case: Case) -> Ruling | None:
    return None if any(allowed(touch.message, case.rule, case.moment.profile) for touch in case.rule.touches) else SKIP


def _import(case: Case) -> Ruling | None:
    before = case.moment.baseline is not None and case.candidate.effective_at <= case.moment.baseline
    return (
        SKIP
        if case.moment.silent or case.candidate.silent or before or (case.moment.unconfirmed and case.candidate.timed)
        else None
    )


def _age(case: Case) -> Ruling | None:
    return SKIP if too_old(case) else None


def too_old(case: Case) -> bool:
    """Whether its cause lay too far back when it was raised; later nobody asks again."""
    old = case.moment.as_of - case.candidate.effective_at > case.moment.policy.max_trigger_age_hours * HOUR
    return case.candidate.too_old or (old and not case.candidate.waited)


def _holdout(case: Case) -> Ruling | None:
    holdout = case.moment.policy.holdout
    held = holdout is not None and share_of(holdout.salt, case.moment.customer) < holdout.share
    return SKIP if held and case.rule.purpose == "marketing" else None


def _served(case: Case) -> Ruling | None:
    return SKIP if case.candidate.name in case.moment.served else None


def _outranked(case: Case) -> Ruling | None:
    if case.rule.purpose != "marketing":
        return None
    beaten = any((-other.value, other.id) < (-case.rule.value, case.rule.id) for other in case.moment.waiting)
    return SKIP if case.moment.taken or beaten else None


def _expired(case: Case) -> Ruling | None:
    return SKIP if case.moment.now > expires(case.candidate, case.rule) else None


def _quiet_hours(case: Case) -> Ruling | None:
    if case.moment.policy.quiet_hours is None:
        return None
    until = quiet_until(
        case.moment.now, case.moment.policy.quiet_hours, zone_of(case.moment.profile.zone, case.moment.shop.zone)
    )
    return None if until is None else Ruling("defer", until)


def _cap(case: Case) -> Ruling | None:
    if case.rule.purpose != "marketing":
        return None
    caps = [(cap.count, cap.hours) for cap in case.moment.policy.caps]
    if case.moment.policy.min_gap_hours:
        caps.append((1, case.moment.policy.min_gap_hours))
    free = []
    for count, hours in caps:
        inside = [use for use in case.moment.uses if case.moment.now - hours * HOUR < use <= case.moment.now]
        if len(inside) >= count:
            free.append(inside[-count] + hours * HOUR)
    if not free:
        return None
    return SKIP if max(free) > expires(case.candidate, case.rule) else Ruling("defer", max(free))


def _channel(case: Case) -> Ruling | None:
    return SKIP if chosen(case.rule, case.moment.profile) is None else None


GATES: tuple[tuple[str, Gate], ...] = (
    ("erased", _erased),
    ("suppressed", _suppressed),
    ("half-person", _half_person),
    ("incomplete", _incomplete),
    ("consent", _consent),
    ("import", _import),
    ("age", _age),
    ("holdout", _holdout),
    ("served", _served),
    ("outranked", _outranked),
    ("expired", _expired),
    ("quiet-hours", _quiet_hours),
    ("cap", _cap),
    ("channel", _channel),
)


def judge(case: Case) -> tuple[str, Ruling | None]:
    """Name and ruling of the first gate that does not pass; ("sent", None) if all do."""
    for name, gate in GATES:
        ruling = gate(case)
        if ruling is not None:
            return name, ruling
    return "sent", None
