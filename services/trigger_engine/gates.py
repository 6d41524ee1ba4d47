"""The gates a candidate passes in turn, each a small function with a verdict; knows one customer, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from services.trigger_engine.completeness import lacking, self_complete
from services.trigger_engine.silence import forgotten
from services.trigger_engine.state import Candidate, State
from shared.contract.facts import Channel, Purpose
from shared.contract.public_records import Gate
from shared.ids import hash64, share_of
from shared.language.calendar import quiet_until
from shared.language.compile import HOUR
from shared.language.facts import Facts
from shared.language.gates import GATE_NAMES
from shared.language.policy import Rule, Touch
from shared.language.rulebook import Rulebook
from shared.language.triggers import Browsed, Enters, Ordered, SinceLastOrder

HELD: Final = "incomplete"
"""The gate at which a candidate is held until its sources have told everything."""
TOO_OLD: Final = 2**53
"""The age of what waits and was too old when it was raised."""


class Ruling(NamedTuple):
    """What one gate says."""

    verdict: Literal["pass", "defer", "skip"]
    detail: str = ""
    until: int = 0
    """Deferred: looked at again at this instant; 0: in the customer's next step."""
    foreseen: bool = True
    """Deferred: whether `until` is when it may go; not so where that hangs on a source."""


class Case(NamedTuple):
    """All that a gate may know. `state` holds what was sent earlier in the same arbitration, too."""

    candidate: Candidate
    rule: Rule
    state: State
    at: int
    customer: str
    whole: bool
    silent: bool
    """The fact of this instant came by import."""
    beaten: bool
    """A marketing candidate was sent or deferred in this arbitration, or one that waits is worth more."""


class Address(NamedTuple):
    """Where a message goes: the sealed contact (alias, field), the guide, or both."""

    alias: str = ""
    field: str = ""
    guide: str = ""


PASS: Final = Ruling("pass")


def served_mark(rule: str, key: str) -> int:
    """The ledger's entry for (rule, trigger key)."""
    return hash64(f"{rule}\0{key}")


def may_go(channel: Channel, purpose: Purpose, facts: Facts) -> bool:
    """Whether the customer's consents let a message of this purpose go by this channel."""
    if channel == "staff_task":
        return True
    consent = facts.consents.get(f"{channel}/{purpose}")
    if consent is None:
        return purpose == "service"
    return consent.granted


def address_of(channel: Channel, facts: Facts) -> Address | None:
    """Where he is reached by this channel; None if he is not."""
    if channel == "staff_task":
        return Address(guide=facts.guide) if facts.guide else None
    field = {"sms": "phone", "email": "email", "wecom": "external_userid"}[channel]
    alias = facts.contacts.get(field)
    if alias is None or (channel == "wecom" and not facts.guide):
        return None
    return Address(alias, field, facts.guide if channel == "wecom" else "")


def chosen_touch(rule: Rule, facts: Facts) -> Touch | None:
    """The first touch whose message may go and arrives."""
    return next((touch for touch in _allowed(rule, facts) if address_of(touch.message.channel, facts)), None)


def _allowed(rule: Rule, facts: Facts) -> list[Touch]:
    return [touch for touch in rule.touches if may_go(touch.message.channel, rule.purpose, facts)]


def _erased(case: Case, _: Rulebook) -> Ruling:
    """What began before the erasure never goes; what began after it goes once something was consented to since."""
    facts = case.state.facts
    if case.candidate.effective_at <= facts.erased:
        return Ruling("skip", "before")
    return Ruling("skip", "no consent since") if forgotten(facts) else PASS


def _suppressed(case: Case, _: Rulebook) -> Ruling:
    consent = case.state.facts.consents.get(f"all/{case.rule.purpose}")
    return PASS if consent is None or consent.granted else Ruling("skip", f"all/{case.rule.purpose}")


def _half_person(case: Case, book: Rulebook) -> Ruling:
    if not case.whole:
        return Ruling("defer")
    if case.candidate.half and not still_wanted(case.candidate, case.rule, case.state.facts, book):
        return Ruling("skip", "not so of the whole person")
    return PASS


def still_wanted(candidate: Candidate, rule: Rule, facts: Facts, book: Rulebook) -> bool:
    """Whether what raised a candidate for half a person holds for the whole one."""
    when = rule.when
    if isinstance(when, Enters):
        places = {
            "lifecycle": facts.lifecycle,
            "sleep_warning": "yes" if facts.sleep_warning else "no",
            "rfm": facts.rfm,
        }
        return places[when.dimension] == when.to and candidate.key == facts.last_order_id
    if isinstance(when, SinceLastOrder):
        return candidate.key == facts.last_order_id
    if isinstance(when, Browsed):
        beat = candidate.effective_at - when.wait_hours * HOUR
        return facts.last_order_at is None or facts.last_order_at < beat - book.bought_before
    return not isinstance(when, Ordered) or when.nth in {None, facts.orders}


def _incomplete(case: Case, book: Rulebook) -> Ruling:
    """A late report may still say that he has bought: wait for it as long as the message may wait."""
    last = send_by(case.candidate, case.rule)
    names = lacking(case.candidate, book, case.at)
    if not names or case.at > last:
        return PASS
    alone = self_complete(case.candidate, names, book)
    if alone is None or alone > last:
        return Ruling("defer", ",".join(names), last + 1, foreseen=False)
    return Ruling("defer", ",".join(names), alone)


def _consent(case: Case, _: Rulebook) -> Ruling:
    allowed = _allowed(case.rule, case.state.facts)
    names = ",".join(touch.message.channel for touch in allowed or case.rule.touches)
    return Ruling("pass" if allowed else "skip", names)


def _import(case: Case, _: Rulebook) -> Ruling:
    candidate, state = case.candidate, case.state
    if case.silent or candidate.silent:
        return Ruling("skip", "silent")
    if candidate.effective_at <= state.baseline:
        return Ruling("skip", "baseline")
    return Ruling("skip", "unconfirmed") if state.unconfirmed and candidate.timed else PASS


def _age(case: Case, book: Rulebook) -> Ruling:
    age = case.candidate.age
    return PASS if age <= book.max_age else Ruling("skip", "when raised" if age == TOO_OLD else f"{age // HOUR} h")


def waiting_age(candidate: Candidate, book: Rulebook) -> int:
    """The age to wait with: what the gate says now it must say again, whatever a later policy allows."""
    return 0 if candidate.age <= book.max_age else TOO_OLD


def _holdout(case: Case, book: Rulebook) -> Ruling:
    held = book.holdout is not None and share_of(book.holdout.salt, case.customer) < book.holdout.share
    return Ruling("skip") if held else PASS


def _served(case: Case, _: Rulebook) -> Ruling:
    return Ruling("skip") if served_mark(case.rule.id, case.candidate.key) in case.state.served else PASS


def _outranked(case: Case, _: Rulebook) -> Ruling:
    return Ruling("skip") if case.beaten else PASS


def _expired(case: Case, _: Rulebook) -> Ruling:
    return Ruling("skip") if case.at > send_by(case.candidate, case.rule) else PASS


def _quiet_hours(case: Case, book: Rulebook) -> Ruling:
    if book.quiet is None:
        return PASS
    until = quiet_until(case.at, book.quiet.start, book.quiet.end, zone=book.local_zone(case.state.facts))
    return PASS if until is None else Ruling("defer", until=until)


def _cap(case: Case, book: Rulebook) -> Ruling:
    uses, free, detail = case.state.uses, 0, ""
    for most, span in book.limits:
        if len(uses) >= most and uses[-most].at > case.at - span and uses[-most].at + span > free:
            free, detail = uses[-most].at + span, f"{most} in {span // HOUR} h"
    if not free:
        return PASS
    return Ruling("skip" if free > send_by(case.candidate, case.rule) else "defer", detail, free)


def _channel(case: Case, _: Rulebook) -> Ruling:
    touch = chosen_touch(case.rule, case.state.facts)
    return Ruling("skip") if touch is None else Ruling("pass", touch.message.channel)


def send_by(candidate: Candidate, rule: Rule) -> int:
    """The last instant at which its message may go."""
    return candidate.effective_at + rule.ttl_hours * HOUR


_JUDGES: Final[Mapping[str, Callable[[Case, Rulebook], Ruling]]] = {
    "erased": _erased,
    "suppressed": _suppressed,
    "half-person": _half_person,
    HELD: _incomplete,
    "consent": _consent,
    "import": _import,
    "age": _age,
    "holdout": _holdout,
    "served": _served,
    "outranked": _outranked,
    "expired": _expired,
    "quiet-hours": _quiet_hours,
    "cap": _cap,
    "channel": _channel,
}
GATES: Final = tuple((name, _JUDGES[name]) for name in GATE_NAMES)
_MARKETING_ONLY: Final = frozenset({"holdout", "outranked", "cap"})
SWITCHES: Final = frozenset({"import", "age", "expired"})
"""Gates against imports that may be switched off, only to prove what each of them stops."""


def judge(case: Case, book: Rulebook, off: frozenset[str]) -> tuple[Ruling, tuple[Gate, ...]]:
    """The first ruling that does not pass (or a pass), and the verdicts up to it."""
    trace = []
    for name, gate in GATES:
        if (
            name in off
            or (name == HELD and not book.waits)
            or (name in _MARKETING_ONLY and case.rule.purpose != "marketing")
        ):
            continue
        if name == "erased" and not case.state.facts.erased:
            continue  # he never was: the trace is as it always was
        ruling = gate(case, book)
        trace.append(Gate(name, ruling.verdict, ruling.detail))
        if ruling.verdict != "pass":
            return ruling, tuple(trace)
    return PASS, tuple(trace)
