"""The rules at work on one customer: candidates wait, compete in arbitration, and are sent, deferred or skipped."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shared.contract.bundles import Profile, Segments
from shared.contract.facts import MessageReported
from shared.language.policy import Policy, Rule
from shared.shop import Shop
from tests.oracle.book import Book
from tests.oracle.gates import Candidate, Case, Moment, judge, silent_sources, too_old
from tests.oracle.log import PolicyTold, SourceTold
from tests.oracle.silences import Silence
from tests.oracle.triggers import Step, armed_by, browsed_rules, is_negative, raised_by, timers

NOT_DELIVERED = ("failed", "expired", "suppressed", "abandoned")
"""Statuses of a message that give its use back."""

TELLS_CONSENTS = 3
"""From this behaviour of the policy on the notifier hears of consents."""


class Desk:
    """All that the rules keep of one customer."""

    def __init__(self, customer: str, shop: Shop) -> None:
        self.customer, self.shop = customer, shop
        self.silence, self.book = Silence(customer), Book(customer)
        self.told: PolicyTold | None = None
        self.profile = Profile()
        self.now = 0
        self.armed: dict[tuple[str, str], Candidate] = {}
        """Browsed timers by (rule, product); `effective_at` is when they fire."""
        self.waiting: dict[tuple[str, str], Candidate] = {}
        self.baseline: int | None = None
        self.unconfirmed = False
        self.told_until: dict[str, int] = {}
        """Source → the instant up to which it has declared to have told everything."""

    @property
    def policy(self) -> Policy:
        """In force; one without rules before the first."""
        return self.told.policy if self.told else Policy(version=1, rules=())

    def rule(self, rule_id: str) -> Rule | None:
        """None once the policy in force does not have it."""
        return next((rule for rule in self.policy.rules if rule.id == rule_id), None)

    # Time

    def due(self) -> list[int]:
        """Every instant after the present one at which something is due here."""
        fires = [candidate.effective_at for candidate in (*self._timers(self.profile), *self.armed.values())]
        waits = [candidate.until for candidate in self.waiting.values() if candidate.until is not None]
        return [instant for instant in (*fires, *waits) if instant > self.now]

    def _timers(self, profile: Profile) -> list[Candidate]:
        return list(timers(self.policy, profile, self.shop, above=self._above))

    @property
    def _above(self) -> int:
        """Timers lie after this instant."""
        return max(self.now, self.told.clock if self.told else 0)

    # Steps

    def adopt(self, told: PolicyTold, *, segments: Segments, whole: bool) -> None:
        """A policy comes into force."""
        self.told, self.book.policy = told, told.number
        before, self.now = self.now, max(self.now, told.clock)
        browsed = browsed_rules(self.policy)
        self.armed = {name: timer for name, timer in self.armed.items() if timer.rule in browsed}
        for name, candidate in list(self.waiting.items()):
            if self.rule(candidate.rule) is None:
                del self.waiting[name]
                self.book.decide(candidate, self.now, "skip", "rule-gone")
        self._hear()
        held = {name: one for name, one in self.waiting.items() if one.held}
        if held:
            self.waiting |= {name: msgspec.structs.replace(one, until=self.now) for name, one in held.items()}
            self._look_again(segments=segments, whole=whole)
        else:
            self.now = before  # nobody is stepped by a policy alone

    def hear_of(self, told: SourceTold, *, segments: Segments, whole: bool) -> None:
        """A source declares; only where that sets something free does anything happen."""
        self.told_until[told.source] = told.until
        now = max(self.now, told.clock)
        if any(one.held and self._is_back(one, now) for one in self.waiting.values()):
            self.now = now
            self._look_again(segments=segments, whole=whole)

    def _look_again(self, *, segments: Segments, whole: bool) -> None:
        step = Step(self.now, self.now, self.profile, segments, whole=whole)
        self._arbitrate(self._back(self.now), step)

    def step(self, step: Step, late: Sequence[Candidate] = ()) -> None:
        """Take the customer to one instant: facts first, then rules, then arbitration; `late` fell due before it."""
        fired = [timer for timer in self._timers(self.profile) if timer.effective_at == step.now]
        fired = [timer for timer in fired if timer in self._timers(step.profile)]
        if step.profile.erased > self.profile.erased:
            self._forget(step.now)
            fired = []
        again = step.profile.ids != self.profile.ids
        self.profile, self.now = step.profile, step.now
        self._hear(again=again)
        self._take_over(step)
        if step.taken is not None and step.taken.purchase:
            self._bought(step.now)
        wanted = [*late, *fired, *self._browsed(step), *raised_by(self.policy, step)]
        back = self._back(step.now)
        names = {candidate.name for candidate in (*back, *self.waiting.values())}
        self._arbitrate([*back, *(new for new in wanted if new.name not in names)], step)

    def _back(self, now: int) -> list[Candidate]:
        """What has waited until now, taken off the list."""
        back = [one for one in self.waiting.values() if self._is_back(one, now)]
        for candidate in back:
            del self.waiting[candidate.name]
        return back

    def _is_back(self, one: Candidate, now: int) -> bool:
        rule = self.rule(one.rule)
        if one.held and rule is not None and not silent_sources(one, rule, self.policy, self.told_until, now):
            return True
        return one.until is None or one.until <= now

    def _hear(self, *, again: bool = False) -> None:
        self.silence.hear(self.profile, self.now, consents=self.policy.behaviour >= TELLS_CONSENTS, again=again)

    def _forget(self, now: int) -> None:
        """The customer was erased: what waited ends, and nothing but the ledger stays."""
        for candidate in self.waiting.values():
            self.book.decide(candidate, now, "skip", "erased")
        self.waiting, self.armed, self.book.uses = {}, {}, []
        self.baseline, self.unconfirmed = None, False

    def _take_over(self, step: Step) -> None:
        if step.taken is None:
            return
        fact = step.taken.fact
        if fact.baseline is not None:
            self.baseline = max(fact.baseline, self.baseline or 0)
        if fact.mode == "import":
            self.unconfirmed = not fact.confirmed
        elif step.taken.purchase:
            self.unconfirmed = False
        if isinstance(fact, MessageReported) and fact.status in NOT_DELIVERED:
            self.book.give_back(fact.command_id)

    def _bought(self, now: int) -> None:
        self.armed.clear()
        for name, candidate in list(self.waiting.items()):
            rule = self.rule(candidate.rule)
            if rule is not None and is_negative(rule):
                del self.waiting[name]
                self.book.decide(candidate, now, "skip", "repurchased")

    def _browsed(self, step: Step) -> list[Candidate]:
        """Browsed timers that fire now; a beat of this step arms new ones."""
        for product, timer in armed_by(self.policy, step, above=self._above):
            self.armed.setdefault((timer.rule, product), timer)
        fired = {name: timer for name, timer in self.armed.items() if timer.effective_at <= step.now}
        for name in fired:
            del self.armed[name]
        return list(fired.values())

    # Hand-over

    def unite(self, other: Desk, as_of: int, *, profile: Profile, segments: Segments, whole: bool) -> None:
        """What another id of the person left; what waited for it is looked at again at once."""
        browsed = browsed_rules(self.policy)
        waiting = {name: one for name, one in other.waiting.items() if name not in self.waiting and self.rule(one.rule)}
        self.book.ledger |= other.book.ledger
        if self.profile.erased > other.profile.erased:  # what that id still knew of the time before is not taken over
            for one in waiting.values():
                self.book.decide(one, max(self.now, other.now), "skip", "erased")
        else:
            self.armed = {name: timer for name, timer in other.armed.items() if timer.rule in browsed} | self.armed
            self.waiting |= waiting
            self.book.count(other.book.uses)
            if other.baseline is not None:
                self.baseline = max(other.baseline, self.baseline or 0)
            self.unconfirmed = self.unconfirmed or other.unconfirmed
        self.armed = {name: msgspec.structs.replace(one, half=True) for name, one in self.armed.items()}
        self.waiting = {name: msgspec.structs.replace(one, half=True) for name, one in self.waiting.items()}
        now = max(self.now, other.now)
        late = [timer for timer in self._timers(self.profile) if timer.effective_at <= now]
        self.now = now
        self.silence.unite(other.silence)
        self._hear(again=True)
        if late or any(instant <= now for instant in self._waits()):
            self.step(Step(now, as_of, profile, segments, whole), late)
        while (due := min((instant for instant in self.due() if instant <= as_of), default=None)) is not None:
            self.step(Step(due, as_of, profile, segments, whole))
        self.step(Step(max(as_of, self.now), as_of, profile, segments, whole))

    def _waits(self) -> list[int]:
        waits = [one.until for one in self.waiting.values() if one.until is not None]
        return [*waits, *(timer.effective_at for timer in self.armed.values())]

    # Arbitration

    def _arbitrate(self, candidates: list[Candidate], step: Step) -> None:
        rules = {rule.id: rule for rule in self.policy.rules}
        taken = False
        for candidate in sorted(candidates, key=lambda one: (-rules[one.rule].value, one.rule, one.key)):
            rule = rules[candidate.rule]
            case = Case(candidate, rule, self._moment(step, taken=taken))
            reason, ruling = judge(case)
            if ruling is None:
                self.book.send(candidate, rule, step.profile, step.now)
            elif ruling.verdict == "skip":
                self.book.decide(candidate, step.now, "skip", reason)
            else:
                waits = msgspec.structs.replace(
                    candidate,
                    until=ruling.until,
                    waited=True,
                    held=ruling.held,
                    half=reason == "half-person",
                    silent=candidate.silent or case.moment.silent,
                    too_old=too_old(case),
                )
                self.waiting[candidate.name] = waits
                said = msgspec.structs.replace(waits, until=None) if ruling.open_end else waits
                self.book.decide(said, step.now, "defer", reason)
            passed = ruling is None or (ruling.verdict == "defer" and not ruling.held)
            taken = taken or (passed and rule.purpose == "marketing")

    def _moment(self, step: Step, *, taken: bool) -> Moment:
        sure = [one for one in self.waiting.values() if one.until is not None and not one.held]
        rules = [self.rule(candidate.rule) for candidate in sure]
        return Moment(
            now=step.now,
            as_of=step.as_of,
            customer=self.customer,
            profile=step.profile,
            segments=step.segments,
            policy=self.policy,
            shop=self.shop,
            whole=step.whole,
            silent=step.taken is not None and step.taken.fact.mode == "import",
            baseline=self.baseline,
            unconfirmed=self.unconfirmed,
            served=frozenset(self.book.ledger),
            uses=tuple(sorted(use.at for use in self.book.uses)),
            taken=taken,
            waiting=tuple(rule for rule in rules if rule is not None and rule.purpose == "marketing"),
            told_until=self.told_until,
        )
