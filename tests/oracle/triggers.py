"""What the rules want of one customer and what becomes of it: timers, candidates, ledger, decisions; knows no bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from shared.contract.bundles import Profile, Segments
from shared.contract.commands import SendMessage
from shared.contract.facts import MessageReported, OrderPlaced, ProductViewed
from shared.contract.public_records import Verdict
from shared.ids import command_id, derived_id
from shared.language.policy import Message, Policy, Rule
from shared.language.triggers import Birthday, Browsed, Enters, Ordered, SinceLastOrder
from shared.shop import DAY, Shop
from tests.oracle.acceptance import Taken
from tests.oracle.answers import Decided, Moved
from tests.oracle.gates import (
    FIELDS,
    HOUR,
    Candidate,
    Case,
    Moment,
    allowed,
    chosen,
    expires,
    judge,
    reachable,
    silent_sources,
    too_old,
)
from tests.oracle.log import PolicyTold, SourceTold
from tests.oracle.moments import birthdays, zone_of
from tests.oracle.silences import Silence

NOT_DELIVERED = ("failed", "expired", "suppressed", "abandoned")
"""Statuses of a message that give its use back."""

TELLS_CONSENTS = 3
"""From this behaviour of the policy on the notifier hears of consents."""

NEGATIVE_ENTRIES = {("lifecycle", "silent"), ("lifecycle", "churned"), ("sleep_warning", "yes")}


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
        """When what made the step happened: a late report happened before its instant."""
        return self.now if self.taken is None else min(self.now, self.taken.at)


class Use(msgspec.Struct, frozen=True):
    """A marketing touch that counts for the caps, under the command of its message."""

    at: int
    command: str


class Desk:
    """All that the rules keep of one customer."""

    def __init__(self, customer: str, shop: Shop) -> None:
        self.customer, self.shop = customer, shop
        self.silence = Silence(customer)
        self.told: PolicyTold | None = None
        self.profile = Profile()
        self.now = 0
        self.armed: dict[tuple[str, str], Candidate] = {}
        """Browsed timers by (rule, product); `effective_at` is when they fire."""
        self.waiting: dict[tuple[str, str], Candidate] = {}
        self.ledger: set[tuple[str, str]] = set()
        self.uses: list[Use] = []
        self.baseline: int | None = None
        self.unconfirmed = False
        self.told_until: dict[str, int] = {}
        """Source → the instant up to which it has declared to have told everything."""
        self.decisions: list[Decided] = []
        self.commands: list[SendMessage] = []

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
        timers = [candidate.effective_at for candidate in (*self._timers(self.profile), *self.armed.values())]
        waits = [candidate.until for candidate in self.waiting.values() if candidate.until is not None]
        return [instant for instant in (*timers, *waits) if instant > self.now]

    def _timers(self, profile: Profile) -> Iterator[Candidate]:
        """Timers that follow from the profile alone: the next of each rule after the present instant."""
        above = max(self.now, self.told.clock if self.told else 0)
        for rule in self.policy.rules:
            if isinstance(rule.when, SinceLastOrder) and profile.last_order_at is not None:
                at = profile.last_order_at + rule.when.days * DAY + 1
                if at > above:
                    yield Candidate(rule.id, profile.last_order_id, at, timed=True)
            if isinstance(rule.when, Birthday):
                yield from self._next_birthday(rule.id, rule.when, profile, above)

    def _next_birthday(self, rule_id: str, when: Birthday, profile: Profile, above: int) -> Iterator[Candidate]:
        if not profile.birthday:
            return
        zone = zone_of(profile.zone, self.shop.zone)
        for at, year in birthdays(profile.birthday, days_before=when.days_before, at=when.at, zone=zone):
            if at > above:
                yield Candidate(rule_id, str(year), at, timed=True)
                return

    # Steps

    def adopt(self, told: PolicyTold, *, segments: Segments, whole: bool) -> None:
        """A policy comes into force."""
        self.told = told
        self.now = max(self.now, told.clock)
        browsed = {rule.id for rule in self.policy.rules if isinstance(rule.when, Browsed)}
        self.armed = {name: timer for name, timer in self.armed.items() if timer.rule in browsed}
        for name, candidate in list(self.waiting.items()):
            if self.rule(candidate.rule) is None:
                del self.waiting[name]
                self._decide(candidate, self.now, "skip", "rule-gone")
        self._hear()
        held = {name: one for name, one in self.waiting.items() if one.held}
        if held:
            self.waiting |= {name: msgspec.structs.replace(one, until=self.now) for name, one in held.items()}
            self._look_again(segments=segments, whole=whole)

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
        wanted = [*late, *fired, *self._browsed(step), *self._events(step)]
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
            self._decide(candidate, now, "skip", "erased")
        self.waiting, self.armed, self.uses = {}, {}, []
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
            self.uses = [use for use in self.uses if use.command != fact.command_id]

    def _bought(self, now: int) -> None:
        self.armed.clear()
        for name, candidate in list(self.waiting.items()):
            rule = self.rule(candidate.rule)
            if rule is not None and _negative(rule):
                del self.waiting[name]
                self._decide(candidate, now, "skip", "repurchased")

    def _browsed(self, step: Step) -> list[Candidate]:
        """Browsed timers that fire now; a beat of this step arms new ones."""
        if step.taken is not None and isinstance(step.taken.fact, ProductViewed):
            for rule in self.policy.rules:
                if isinstance(rule.when, Browsed):
                    self._arm(rule.id, rule.when, step.taken, step.taken.fact, step.visible)
        fired = {name: timer for name, timer in self.armed.items() if timer.effective_at <= step.now}
        for name in fired:
            del self.armed[name]
        return list(fired.values())

    def _arm(self, rule_id: str, when: Browsed, taken: Taken, beat: ProductViewed, visible: tuple[int, int]) -> None:
        before, after = visible
        at = taken.at + when.wait_hours * HOUR
        above = max(self.now, self.told.clock if self.told else 0)
        if before <= when.minutes * 60_000 < after and at > above:
            timer = Candidate(rule_id, f"{beat.product}@{beat.id}", at, timed=True)
            self.armed.setdefault((rule_id, beat.product), timer)

    def _events(self, step: Step) -> Iterator[Candidate]:
        for rule in self.policy.rules:
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

    # Hand-over

    def unite(self, other: Desk, as_of: int, *, profile: Profile, segments: Segments, whole: bool) -> None:
        """What another id of the person left; what waited for it is looked at again at once."""
        browsed = {rule.id for rule in self.policy.rules if isinstance(rule.when, Browsed)}
        waiting = {name: one for name, one in other.waiting.items() if name not in self.waiting and self.rule(one.rule)}
        self.ledger |= other.ledger
        if self.profile.erased > other.profile.erased:  # what that id still knew of the time before is not taken over
            for one in waiting.values():
                self._decide(one, max(self.now, other.now), "skip", "erased")
        else:
            self.armed = {name: timer for name, timer in other.armed.items() if timer.rule in browsed} | self.armed
            self.waiting |= waiting
            self.uses = sorted({(use.at, use.command): use for use in (*self.uses, *other.uses)}.values(), key=_used)
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
                self._send(candidate, rule, step.now)
            elif ruling.verdict == "skip":
                self._decide(candidate, step.now, "skip", reason)
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
                self._decide(said, step.now, "defer", reason)
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
            served=frozenset(self.ledger),
            uses=tuple(sorted(use.at for use in self.uses)),
            taken=taken,
            waiting=tuple(rule for rule in rules if rule is not None and rule.purpose == "marketing"),
            told_until=self.told_until,
        )

    def _send(self, candidate: Candidate, rule: Rule, now: int) -> None:
        touch = chosen(rule, self.profile)
        assert touch is not None, "the channel gate has passed"
        sent = [self._command(candidate, rule, now, position=0, message=touch.message)]
        for position, companion in enumerate(touch.companions, start=1):
            if allowed(companion, rule, self.profile) and reachable(companion, self.profile):
                sent.append(self._command(candidate, rule, now, position=position, message=companion))
        self.ledger.add(candidate.name)
        if rule.purpose == "marketing":
            self.uses.append(Use(now, sent[0].command_id))
        self.commands += sent
        self._decide(candidate, now, "send", "sent", commands=tuple(command.command_id for command in sent))

    def _command(self, candidate: Candidate, rule: Rule, now: int, *, position: int, message: Message) -> SendMessage:
        field = FIELDS[message.channel]
        return SendMessage(
            command_id=command_id(rule.id, self.customer, candidate.key, position=position),
            customer=self.customer,
            rule=rule.id,
            trigger_key=candidate.key,
            position=position,
            channel=message.channel,
            purpose=rule.purpose,
            template=message.template,
            alias=self.profile.contacts.get(field, ""),
            field=field,
            guide=self.profile.guide if message.channel in ("wecom", "staff_task") else "",
            effective_at=candidate.effective_at,
            decided_at=now,
            send_by=expires(candidate, rule),
            policy=self._number,
        )

    def _decide(
        self, candidate: Candidate, now: int, verdict: Verdict, reason: str, *, commands: tuple[str, ...] = ()
    ) -> None:
        self.decisions.append(
            Decided(
                id=derived_id("decision", self.customer, candidate.rule, candidate.key, now),
                rule=candidate.rule,
                trigger_key=candidate.key,
                effective_at=candidate.effective_at,
                decided_at=now,
                verdict=verdict,
                reason=reason,
                until=candidate.until if verdict == "defer" else None,
                commands=commands,
                policy=self._number,
            )
        )

    @property
    def _number(self) -> int:
        return self.told.number if self.told else 0


def _used(use: Use) -> tuple[int, str]:
    return use.at, use.command


def _negative(rule: Rule) -> bool:
    """Whether the rule says "he has not bought"."""
    when = rule.when
    if isinstance(when, Enters):
        return (when.dimension, when.to) in {
            ("lifecycle", "silent"),
            ("lifecycle", "churned"),
            ("sleep_warning", "yes"),
        }
    return isinstance(when, SinceLastOrder | Browsed)
