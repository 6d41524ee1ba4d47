"""Consents from behaviour 4 on: a refusal holds until a dated grant later than it; knows words and instants, no channel's rules."""

from __future__ import annotations

from typing import Final

from services.profile.state import Said, State
from shared.contract.bundles import Consent

REFUSED: Final = tuple(
    f"{channel}/{purpose}"
    for channel in ("email", "sms", "staff_task", "wecom")
    for purpose in ("marketing", "service")
)
"""What an erasure refuses. `all` is a name of its own: refused, it would outlive a grant for one channel."""


def said_of(consents: dict[str, Consent], said: dict[str, Said], name: str) -> Said:
    """Everything said on this name; an answer from before behaviour 4 counts as dated."""
    if name in said:
        return said[name]
    known = consents.get(name)
    if known is None:
        return Said()
    return Said(granted=known.at) if known.granted else Said(refused=known.at)


def answer(said: Said) -> Consent | None:
    """Granted iff a dated grant is later than every refusal, or nothing was refused and something granted."""
    refused, granted = said.refused, said.granted
    if granted is not None and (refused is None or granted > refused):
        return Consent(True, granted)
    if refused is not None:
        return Consent(False, refused)
    return None if said.undated is None else Consent(True, said.undated)


def both(one: Said, other: Said) -> Said:
    """Of each kind the latest."""
    return Said(
        _later(one.refused, other.refused), _later(one.granted, other.granted), _later(one.undated, other.undated)
    )


def put(
    consents: dict[str, Consent], said: dict[str, Said], name: str, words: Said
) -> tuple[dict[str, Consent], dict[str, Said]]:
    """Both tables with everything said on `name`; `said` only where the answer does not tell it all."""
    found = answer(words)
    if found is None:
        return consents, said
    consents = consents | {name: found}
    if said_of(consents, {}, name) == words:
        return consents, {other: kept for other, kept in said.items() if other != name} if name in said else said
    return consents, said | {name: words}


def merged(ours: State, theirs: State) -> tuple[dict[str, Consent], dict[str, Said]]:
    """What was said to either."""
    consents, said = ours.consents, ours.said
    for name in theirs.consents:
        words = both(said_of(consents, said, name), said_of(theirs.consents, theirs.said, name))
        consents, said = put(consents, said, name, words)
    return consents, said


def since(state: State, until: int) -> tuple[dict[str, Consent], dict[str, Said]]:
    """What was said after an instant."""
    consents: dict[str, Consent] = {}
    said: dict[str, Said] = {}
    for name in state.consents:
        words = said_of(state.consents, state.said, name)
        left = Said(
            *(at if at is not None and at > until else None for at in (words.refused, words.granted, words.undated))
        )
        consents, said = put(consents, said, name, left)
    return consents, said


def in_force(state: State) -> dict[str, Consent]:
    """By "channel/purpose" of a person once erased: everything refused up to it; no word on `all` up to it, nor an undated one, counts."""
    found: dict[str, Consent] = {}
    for name in (*REFUSED, *(name for name in state.consents if name not in REFUSED)):
        words = said_of(state.consents, state.said, name)
        if name in REFUSED:
            words = both(words, Said(refused=state.refused))
        else:
            late = words.granted is not None and words.granted > state.refused
            words = Said(words.refused, words.granted if late else None)
        if consent := answer(words):
            found[name] = consent
    return found


def _later(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return max(one, other)
