"""Until when the sources that a rule waits for have told everything; knows a policy and declarations, no gate."""

from __future__ import annotations

from typing import Final

from services.trigger_engine.state import Candidate
from shared.language.rulebook import Rulebook

NEVER_DECLARED: Final = 0


def lacking(candidate: Candidate, book: Rulebook, at: int) -> tuple[str, ...]:
    """The sources that at this instant have not yet told of the time up to the candidate's."""
    names = book.waits.get(candidate.rule, ())
    return tuple(name for name in names if _complete_until(name, book, at) < candidate.effective_at)


def self_complete(candidate: Candidate, names: tuple[str, ...], book: Rulebook) -> int | None:
    """The instant from which none of these lacks by its grace alone; None if one has none."""
    graces = [book.graces.get(name) for name in names]
    return None if None in graces else candidate.effective_at + max(grace for grace in graces if grace is not None)


def is_ready(waiting: Candidate, book: Rulebook, at: int) -> bool:
    """Whether what waits takes part in an arbitration at this instant."""
    return waiting.until <= at or (waiting.held and not lacking(waiting, book, at))


def _complete_until(name: str, book: Rulebook, at: int) -> int:
    declared, grace = book.declared.get(name, NEVER_DECLARED), book.graces.get(name)
    return declared if grace is None else max(declared, at - grace)
