"""What the notifier must know of a person's refusals: told as commands where it changes; knows docs/semantics.md §7, no gate."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from services.trigger_engine.state import State
from shared.contract.commands import Allow, Suppress
from shared.language.facts import Facts

EVERYTHING: Final = "all/all"
"""Told of by an erasure alone; the other names are those of consents."""


class Told(NamedTuple):
    """The state that remembers what was told, and the commands that tell it."""

    state: State
    commands: list[Suppress | Allow]


def forgotten(facts: Facts) -> bool:
    """Erased, and nothing was consented to since."""
    return bool(facts.erased) and not any(
        consent.granted and consent.at > facts.erased for consent in facts.consents.values()
    )


def cleared(state: State, facts: Facts) -> State:
    """What is kept of a person just erased: what the notifier was told, and hashes of what was ever sent."""
    return msgspec.structs.replace(state, facts=facts, timers=(), waiting=(), uses=(), baseline=0, unconfirmed=False)


def refusals(facts: Facts) -> tuple[object, ...]:
    """All that `tell` looks at: where it is the same, nothing needs telling."""
    return facts.consents, facts.ids, facts.erased


def tell(state: State, customer: str, *, consents: bool, again: bool = False) -> Told:
    """Commands for what is not yet told at the state's instant. `consents`: refusals are told, not erasures alone.

    `again`: the person has other ids than before, so everything ever told is told to all of them.
    """
    silent = _silent(state.facts, consents=consents)
    told, number, erased = dict(state.told), state.number, state.facts.erased
    verdicts = [(EVERYTHING, True)] if erased > state.erased else []
    for name in sorted({*silent, *told, EVERYTHING}) if consents else [EVERYTHING]:
        known = True if verdicts and name == EVERYTHING else told.get(name, False)
        if (name in silent) != known or (again and name in told):
            verdicts.append((name, name in silent))
    if not verdicts:
        return Told(state, [])
    told |= dict(verdicts)
    commands = [
        _command(state, customer, name, silent=verdict, number=number + place)
        for place, (name, verdict) in enumerate(verdicts, 1)
    ]
    number += len(verdicts)
    return Told(msgspec.structs.replace(state, told=told, number=number, erased=max(erased, state.erased)), commands)


def _silent(facts: Facts, *, consents: bool) -> set[str]:
    names = {EVERYTHING} if forgotten(facts) else set[str]()
    if consents:
        refused = (name for name, consent in facts.consents.items() if not consent.granted)
        names.update(name for name in refused if not name.startswith("staff_task/"))  # tasks need no consent
    return names


def _command(state: State, customer: str, name: str, *, silent: bool, number: int) -> Suppress | Allow:
    channel, _, purpose = name.partition("/")
    about: dict[str, Any] = {
        "customer": customer,
        "ids": state.facts.ids,
        "channel": channel,
        "purpose": purpose,
        "decided_at": state.now,
        "number": number,
    }
    if not silent:
        return Allow(**about)
    erased = state.facts.erased if name == EVERYTHING else 0
    return Suppress(**about, reason="erased" if erased else "consent", erased=erased)
