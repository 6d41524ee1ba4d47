"""Who goes when several rules want one customer at one instant; knows nothing of how candidates arise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from services.trigger_engine.completeness import is_ready
from services.trigger_engine.gates import HELD, Case, chosen_touch, judge, served_mark, waiting_age
from services.trigger_engine.messages import Moment, commands, decision
from services.trigger_engine.state import Candidate, State, Use
from shared.contract.commands import Allow, SendMessage, Suppress
from shared.contract.public_records import CandidateDecided
from shared.language.compile import HOUR
from shared.language.policy import LONGEST_CAP_HOURS, Rule
from shared.language.rulebook import Rulebook

Said = SendMessage | CandidateDecided | Suppress | Allow


class Here(NamedTuple):
    """The circumstances of one record for one customer."""

    book: Rulebook
    customer: str
    as_of: int
    whole: bool = True
    """False: not all of this person's ids have been absorbed yet."""
    off: frozenset[str] = frozenset()
    """Gates switched off."""


class _Rank(NamedTuple):
    """The smaller goes first."""

    loss: int
    rule: str


def arbitrate(
    state: State, at: int, raised: Sequence[Candidate], *, here: Here, silent: bool = False
) -> tuple[State, list[Said]]:
    """Decide at this instant all that was raised and all that has waited until now; the rest goes on waiting.

    `silent`: the fact of this instant came by import.
    """
    known = {(waiting.rule, waiting.key) for waiting in state.waiting}
    fresh = {(new.rule, new.key): new for new in reversed(raised) if (new.rule, new.key) not in known}
    ready = [waiting for waiting in state.waiting if is_ready(waiting, here.book, at)]
    if not fresh and not ready:
        return state, []
    rest = tuple(waiting for waiting in state.waiting if waiting not in ready)
    sure = [waiting for waiting in rest if not waiting.held]
    best = min((_rank(rule) for rule in _marketing(sure, here.book)), default=None)
    said: list[Said] = []
    state, taken = msgspec.structs.replace(state, waiting=rest), False
    for candidate, rule in _in_order((*ready, *fresh.values()), here.book):
        beaten = taken or (best is not None and best < _rank(rule))
        case = Case(candidate, rule, state, at, here.customer, here.whole, silent, beaten)
        state, spoken, kept = _decide(case, here)
        said += spoken
        taken = taken or (kept and rule.purpose == "marketing")
    return state, said


def dropped(candidates: Sequence[Candidate], reason: str, *, state: State, at: int, here: Here) -> list[Said]:
    """The decisions that end what waited, without asking the gates."""
    moment = Moment(here.customer, state.facts, at, here.book)
    return [decision(candidate, moment, "skip", reason) for candidate in candidates]


def _rank(rule: Rule) -> _Rank:
    return _Rank(-rule.value, rule.id)


def _marketing(waiting: Sequence[Candidate], book: Rulebook) -> list[Rule]:
    rules = (book.rules.get(candidate.rule) for candidate in waiting)
    return [rule for rule in rules if rule is not None and rule.purpose == "marketing"]


def _in_order(candidates: Sequence[Candidate], book: Rulebook) -> list[tuple[Candidate, Rule]]:
    pairs = [(candidate, book.rules[candidate.rule]) for candidate in candidates]
    return sorted(pairs, key=lambda pair: (_rank(pair[1]), pair[0].key))


def _decide(case: Case, here: Here) -> tuple[State, list[Said], bool]:
    """The state after the decision, what is said of it, and whether the candidate was sent, or deferred and will go."""
    candidate, state = case.candidate, case.state
    moment = Moment(here.customer, state.facts, case.at, here.book)
    ruling, gates = judge(case, here.book, here.off)
    if ruling.verdict == "skip":
        return state, [decision(candidate, moment, "skip", gates[-1].name, gates=gates)], False
    if ruling.verdict == "defer":
        silent, age = case.silent or candidate.silent, waiting_age(candidate, here.book)
        held, half = gates[-1].name == HELD, gates[-1].name == "half-person"
        waits = msgspec.structs.replace(candidate, until=ruling.until, silent=silent, age=age, held=held, half=half)
        until = (ruling.until or None) if ruling.foreseen else None
        deferred = decision(candidate, moment, "defer", gates[-1].name, gates=gates, until=until)
        return msgspec.structs.replace(state, waiting=(*state.waiting, waits)), [deferred], not held
    touch = chosen_touch(case.rule, state.facts)
    assert touch is not None, "the channel gate passed"
    sent = list(commands(candidate, case.rule, touch, moment))
    ids = tuple(command.command_id for command in sent)
    return _counted(case, ids[0]), [*sent, decision(candidate, moment, "send", "sent", gates=gates, sent=ids)], True


def _counted(case: Case, command: str) -> State:
    """The state with the candidate in the ledger and, for marketing, one use of the caps."""
    state, at = case.state, case.at
    served = (*state.served, served_mark(case.rule.id, case.candidate.key))
    if case.rule.purpose != "marketing":
        return msgspec.structs.replace(state, served=served)
    kept = (use for use in state.uses if use.at > at - LONGEST_CAP_HOURS * HOUR)
    return msgspec.structs.replace(state, served=served, uses=(*kept, Use(at, command)))
