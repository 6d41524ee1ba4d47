"""One customer's record: facts and own timers merged by instant, then arbitrated; knows no broker and no clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.trigger_engine.arbitration import Here, Said, arbitrate, dropped
from services.trigger_engine.completeness import is_ready
from services.trigger_engine.intake import expire, rearmed, take_over
from services.trigger_engine.silence import cleared, refusals, tell
from services.trigger_engine.state import Candidate, State, next_due
from shared.contract.bundles import SegmentStep
from shared.language.facts import Facts
from shared.language.rulebook import Rulebook

_replace = msgspec.structs.replace


def follow(state: State, steps: Sequence[SegmentStep], here: Here) -> tuple[State, list[Said]]:
    """Take the steps of a bundle in their order, the customer's own timers in between, and time up to `here.as_of`."""
    said: list[Said] = []
    raised: list[Candidate] = []
    silent = False
    for position, step in enumerate(steps, 1):
        state = _run(state, step.at - 1, here, said)
        before = state.facts
        if step.profile.erased > before.erased:
            state = _forget(state, step, here, said)
        state, new, bought = take_over(state, step, as_of=here.as_of, book=here.book)
        if refusals(before) != refusals(state.facts):
            state = _tell(state, here, said, again=before.ids != state.facts.ids)
        raised += new
        silent = silent or any(happened.silent for happened in step.happened)
        if bought:
            said += dropped(bought, "repurchased", state=state, at=state.now, here=here)
        if position == len(steps) or steps[position].at > step.at:  # steps of one instant are decided together
            state = _decide(state, state.now, here, said, raised=raised, silent=silent)
            raised, silent = [], False
    return advance(state, here, said)


def advance(state: State, here: Here, said: list[Said] | None = None) -> tuple[State, list[Said]]:
    """Take all due instants up to `here.as_of`, in order, equal ones together; what is said is added to `said`."""
    said = [] if said is None else said
    state = _run(state, here.as_of, here, said)
    return (_replace(state, now=here.as_of) if here.as_of > state.now else state), said


def change_rules(state: State, here: Here) -> tuple[State, list[Said]]:
    """The customer under a policy just come into force at `here.as_of`; the same state if nothing of his changes."""
    timers = rearmed(state, here.book)
    gone = tuple(waiting for waiting in state.waiting if waiting.rule not in here.book.rules)
    held = any(waiting.held for waiting in state.waiting)
    at, said = max(here.as_of, state.now), list[Said]()
    told = _tell(_replace(state, now=at), here, said)
    if timers == state.timers and not gone and not held and not said:
        return state, []
    kept = [waiting for waiting in state.waiting if waiting.rule in here.book.rules]
    said += dropped(gone, "rule-gone", state=state, at=at, here=here)
    state = _replace(told, now=state.now, timers=timers, waiting=tuple(_released(waiting, at) for waiting in kept))
    if held:
        state, more = arbitrate(state, at, (), here=here)
        state, said = _replace(state, now=at), said + more
    return state, said


def hear_out(state: State, here: Here) -> tuple[State, list[Said]]:
    """The customer after a source's declaration; the same state if it sets nothing free that is held."""
    at = max(here.as_of, state.now)
    if not any(waiting.held and is_ready(waiting, here.book, at) for waiting in state.waiting):
        return state, []
    state, said = arbitrate(state, at, (), here=here)
    return _replace(state, now=at), said


def _released(waiting: Candidate, at: int) -> Candidate:
    """What is held is judged anew under a new policy, which may name other sources and graces."""
    return _replace(waiting, until=at) if waiting.held else waiting


def acquaint(step: SegmentStep, here: Here) -> tuple[State, list[Said]]:
    """A customer of whom nothing is known yet, by the facts of a resync; timers only above `here.as_of`, no candidates.

    What the notifier may have been told before is told once more.
    """
    said: list[Said] = []
    state = take_over(State(now=here.as_of), step, as_of=here.as_of, book=here.book).state
    return _tell(state, here, said), said


def bequest(state: State) -> State:
    """What the engine itself knows of the customer and hands over; facts come from upstream alone."""
    return _replace(state, facts=Facts())


def unite(state: State, other: State, here: Here, source: str = "") -> tuple[State, list[Said]]:
    """Take over what another id of the same person left; what waited for it is looked at again at once.

    `source`: the id under which that was caused which says nothing of it; empty where it is the customer's own.
    Of a person erased further than the other id knew, that one leaves its ledger alone.
    """
    other = _replace(
        other,
        timers=tuple(_replace(one, alias=one.alias or source, half=True) for one in other.timers),
        waiting=tuple(_replace(one, alias=one.alias or source, half=True) for one in other.waiting),
    )
    state = _replace(
        state,
        timers=tuple(_replace(one, half=True) if one.rule in here.book.on_beat else one for one in state.timers),
        waiting=tuple(_replace(one, half=True) for one in state.waiting),
    )
    said: list[Said] = []
    now = max(state.now, other.now)
    if state.facts.erased > other.erased:
        said += dropped(_new(other, state, here.book), "erased", state=state, at=now, here=here)
        other = cleared(other, Facts())
    armed = {(timer.rule, timer.product) for timer in state.timers}
    beats = (timer for timer in other.timers if timer.rule in here.book.on_beat)
    state = _replace(
        state,
        now=now,
        timers=tuple(sorted((*state.timers, *(beat for beat in beats if (beat.rule, beat.product) not in armed)))),
        waiting=(*state.waiting, *_new(other, state, here.book)),
        served=tuple(dict.fromkeys((*state.served, *other.served))),
        uses=tuple(sorted({*state.uses, *other.uses})),
        baseline=max(state.baseline, other.baseline),
        unconfirmed=state.unconfirmed or other.unconfirmed,
        told=other.told | state.told,
        number=max(state.number, other.number),
    )
    state, said = advance(_tell(state, here, said, again=True), here, said)
    return _decide(state, state.now, here, said), said


def divide(state: State, aliases: frozenset[str], last_order_id: str, book: Rulebook) -> tuple[State, State]:
    """What stays, and what goes with ids that are split off; messages sent count for both, so nobody gets one twice.

    What waits goes with the id that caused it; what the person as a whole caused, with the order that it names:
    `last_order_id` is the latest one of those that stay.
    """

    def goes(one: Candidate) -> bool:
        if one.alias:
            return one.alias in aliases
        names_order = one.rule in book.on_last_order or one.rule in book.on_entering
        return names_order and one.key not in {"", last_order_id}

    kept = _replace(
        state,
        timers=tuple(timer for timer in state.timers if timer.alias not in aliases),
        waiting=tuple(one for one in state.waiting if not goes(one)),
    )
    given = _replace(
        state,
        facts=Facts(),
        timers=tuple(timer for timer in state.timers if timer.alias in aliases),
        waiting=tuple(one for one in state.waiting if goes(one)),
    )
    return kept, given


def _new(other: State, state: State, book: Rulebook) -> tuple[Candidate, ...]:
    """What waits there and not here, of rules still in force."""
    mine = {(waiting.rule, waiting.key) for waiting in state.waiting}
    return tuple(one for one in other.waiting if one.rule in book.rules and (one.rule, one.key) not in mine)


def _forget(state: State, step: SegmentStep, here: Here, said: list[Said]) -> State:
    """The person was erased: what waited ends, and only what the notifier was told is kept."""
    left = cleared(state, Facts(consents=step.profile.consents, ids=state.facts.ids))
    said += dropped(state.waiting, "erased", state=left, at=max(step.at, state.now), here=here)
    return left


def _tell(state: State, here: Here, said: list[Said], *, again: bool = False) -> State:
    """What the notifier does not know yet of this person's refusals."""
    told = tell(state, here.customer, consents=here.book.tells_consents, again=again)
    said += told.commands
    return told.state


def _run(state: State, limit: int, here: Here, said: list[Said]) -> State:
    while (due := next_due(state)) <= limit:
        state = _decide(state, max(due, state.now), here, said)
    return state


def _decide(
    state: State, at: int, here: Here, said: list[Said], *, raised: Sequence[Candidate] = (), silent: bool = False
) -> State:
    """Everything of the instant `at`: what the facts raised, the timers due, and what has waited until now."""
    state, timed = expire(state, at, as_of=here.as_of, book=here.book)
    if raised or timed or state.waiting:
        state, spoken = arbitrate(state, at, (*raised, *timed), here=here, silent=silent)
        said += spoken
    return _replace(state, now=at) if at > state.now else state
