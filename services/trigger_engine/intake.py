"""How a step's facts change a customer's state, and which candidates they raise; knows no gate and no order of rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from services.trigger_engine.state import Candidate, State
from shared.contract.bundles import Happened, SegmentStep
from shared.language.facts import Facts, Timer
from shared.language.rulebook import ArmByFacts, Rulebook

RELEASING: Final = frozenset({"failed", "expired", "suppressed", "abandoned"})
"""What a message reports when it did not and will not reach the customer."""

_replace = msgspec.structs.replace


class Taken(NamedTuple):
    """`state` with the facts; `raised` are new candidates; `bought` waited in vain, for he has bought."""

    state: State
    raised: list[Candidate]
    bought: tuple[Candidate, ...]


def take_over(state: State, step: SegmentStep, *, as_of: int, book: Rulebook) -> Taken:
    """Take the step's facts over at its instant; the customer's own timers before it must have been taken."""
    at = max(step.at, state.now)
    after = max(at, book.activated)
    before, facts = state.facts, _facts(step)
    timers = _follow(state.timers, before, facts, book=book, after=after)
    state = _replace(state, now=at, facts=facts, timers=timers)
    raised: list[Candidate] = []
    bought: tuple[Candidate, ...] = ()
    for happened in step.happened:
        if happened.silent:
            baseline = max(state.baseline, happened.baseline or 0)
            state = _replace(state, baseline=baseline, unconfirmed=not happened.confirmed)
        if happened.what == "product.viewed":
            state = _beat(state, happened, book, after=after)
        elif happened.what == "message.reported" and happened.status in RELEASING:
            state = _replace(state, uses=tuple(use for use in state.uses if use.command != happened.ref))
        elif _is_purchase(happened):
            bought += tuple(waiting for waiting in state.waiting if waiting.rule in book.negative)
            state = _purchase(state, happened, book)
            raised += _ordered(happened, at, facts.orders, as_of=as_of, book=book)
    if step.changes:
        raised += _entered(step, facts, as_of=as_of, book=book)
    return Taken(state, raised, bought)


def rearmed(state: State, book: Rulebook) -> tuple[Timer, ...]:
    """The timers under a policy just come into force: from the facts, and what browsing armed if its rule stays."""
    after = max(state.now, book.activated)
    kept = (timer for timer in state.timers if timer.rule in book.on_beat and timer.product)
    arms = (*book.on_last_order.values(), *book.on_birthday.values())
    return tuple(sorted((*kept, *_armed(arms, state.facts, after))))


def expire(state: State, at: int, *, as_of: int, book: Rulebook) -> tuple[State, list[Candidate]]:
    """Take the timers due at `at` away and raise their candidates; a birthday arms the next one."""
    due = [timer for timer in state.timers if timer.at <= at]
    if not due:
        return state, []
    raised = [
        Candidate(
            timer.rule,
            timer.key,
            timer.at,
            as_of - timer.at,
            timed=True,
            product=timer.product,
            alias=timer.alias,
            half=timer.half,
        )
        for timer in due
    ]
    again = [book.on_birthday[timer.rule] for timer in due if timer.rule in book.on_birthday]
    timers = (*state.timers[len(due) :], *_armed(again, state.facts, max(at, book.activated)))
    return _replace(state, timers=tuple(sorted(timers))), raised


def _facts(step: SegmentStep) -> Facts:
    profile, segments = step.profile, step.segments
    return Facts(
        profile.orders,
        profile.total,
        profile.last_order_at,
        profile.last_order_id,
        profile.birthday,
        profile.guide,
        profile.zone,
        profile.consents,
        profile.contacts,
        segments.lifecycle,
        segments.sleep_warning,
        segments.rfm,
        profile.ids,
        profile.erased,
    )


def _armed(arms: Iterable[ArmByFacts], facts: Facts, after: int) -> list[Timer]:
    return [timer for arm in arms if (timer := arm(facts, after)) is not None]


def _follow(timers: tuple[Timer, ...], before: Facts, facts: Facts, *, book: Rulebook, after: int) -> tuple[Timer, ...]:
    """The timers after a change of facts; the same object if nothing they hang on has changed."""
    if facts.last_order_at != before.last_order_at or facts.last_order_id != before.last_order_id:
        timers = _replaced(timers, book.on_last_order, facts, after=after)
    if facts.birthday != before.birthday or facts.zone != before.zone:
        timers = _replaced(timers, book.on_birthday, facts, after=after)
    return timers


def _replaced(
    timers: tuple[Timer, ...], arms: Mapping[str, ArmByFacts], facts: Facts, *, after: int
) -> tuple[Timer, ...]:
    """The timers of these rules anew, above `after`; one due at this very instant stays if the facts still say so."""
    kept = [timer for timer in timers if timer.rule not in arms]
    for arm in arms.values():
        timer = arm(facts, after - 1)
        if timer is not None and timer.at == after and timer not in timers:
            timer = arm(facts, after)
        if timer is not None:
            kept.append(timer)
    return tuple(sorted(kept))


def _is_purchase(happened: Happened) -> bool:
    """An order heard of for the first time; a higher version of a known one is marked as revised."""
    return happened.what == "order.placed" and happened.status != "revised"


def _beat(state: State, beat: Happened, book: Rulebook, *, after: int) -> State:
    """A view arms its product for each rule that has now seen enough of it, if it is not armed yet."""
    armed = {(timer.rule, timer.product) for timer in state.timers}
    beats = (arm(beat) for arm in book.on_beat.values())
    future = [timer for timer in beats if timer is not None and timer.at > after]
    new = [timer for timer in future if (timer.rule, timer.product) not in armed]
    return _replace(state, timers=tuple(sorted((*state.timers, *new)))) if new else state


def _purchase(state: State, order: Happened, book: Rulebook) -> State:
    return _replace(
        state,
        timers=tuple(timer for timer in state.timers if timer.rule not in book.on_beat),
        waiting=tuple(waiting for waiting in state.waiting if waiting.rule not in book.negative),
        unconfirmed=state.unconfirmed and order.silent,
    )


def _ordered(order: Happened, at: int, orders: int, *, as_of: int, book: Rulebook) -> list[Candidate]:
    effective_at = min(at, order.at)
    wanted = (rule for rule, nth in book.on_order if nth is None or nth == orders)
    age = as_of - effective_at
    return [Candidate(rule, order.ref, effective_at, age, alias=order.alias) for rule in wanted]


def _entered(step: SegmentStep, facts: Facts, *, as_of: int, book: Rulebook) -> list[Candidate]:
    """A change made by a fact that was told late is as old as the fact; one made by time is as old as itself."""
    told_at = step.happened[0].at if step.happened else step.at
    raised = []
    for change in step.changes:
        timed = change.cause == "time"
        effective_at = change.at if timed else min(change.at, told_at)
        for rule, causes in book.on_change.get((change.dimension, change.after), ()):
            if change.cause in causes:
                raised.append(Candidate(rule, facts.last_order_id, effective_at, as_of - effective_at, timed))
    return raised
