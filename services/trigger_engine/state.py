"""What the trigger engine remembers of one customer; knows no rule, no gate and no time zone."""

from __future__ import annotations

import msgspec

from shared.contract.origin import NEVER
from shared.language.facts import Facts, Timer


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """A rule wants the customer. It keeps what must be known of its birth, for it may wait."""

    rule: str
    key: str
    effective_at: int
    age: int = 0
    """How old its cause was when it was raised, ms; waiting: 0, or far above every limit where it was too old even then."""
    timed: bool = False
    """It comes from a timer, or from a change that time alone made."""
    silent: bool = False
    """Waiting: it was raised where the fact came by import."""
    product: str = ""
    until: int = 0
    """Waiting: the instant at which it is looked at again; 0: in the next step of this customer."""
    held: bool = False
    """Waiting: for sources; looked at again before `until` once they have told everything."""
    alias: str = ""
    """Its cause came under another id of the person: that id."""
    half: bool = False
    """Raised, or looked at last, while some of the person was missing."""


class Use(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One touch, as the caps count it."""

    at: int
    command: str
    """Id of its position 0."""


class State(msgspec.Struct, frozen=True, array_like=True):
    """Timers and uses in ascending order; `served` holds a hash of every (rule, trigger key) ever sent."""

    now: int = 0
    """The largest instant stepped to, ms."""
    facts: Facts = Facts()
    timers: tuple[Timer, ...] = ()
    waiting: tuple[Candidate, ...] = ()
    served: tuple[int, ...] = ()
    uses: tuple[Use, ...] = ()
    baseline: int = 0
    """The largest baseline of his imports: instants up to it never fire."""
    unconfirmed: bool = False
    """His latest import was not confirmed, and no live order came since."""
    told: dict[str, bool] = {}
    """Channel/purpose → whether it is silent, as the notifier was last told; absent: never told of."""
    number: int = 0
    """Of the latest command about silence."""
    erased: int = 0
    """The erasure that the notifier was last told of."""


def next_due(state: State) -> int:
    """The first instant at which something of this customer is due; NEVER without any."""
    first = state.timers[0].at if state.timers else NEVER
    for candidate in state.waiting:
        if 0 < candidate.until < first:
            first = candidate.until
    return first
