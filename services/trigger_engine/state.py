"""What the trigger engine remembers of one customer; knows no rule, no gate and no time zone."""

from __future__ import annotations

import msgspec

from shared.contract.bundles import Consent
from shared.contract.origin import NEVER


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """The customer as the hops before told it last; `total` is net, in minor units."""

    orders: int = 0
    total: int = 0
    last_order_at: int | None = None
    last_order_id: str = ""
    birthday: str = ""
    guide: str = ""
    zone: str = ""
    consents: dict[str, Consent] = {}
    """By "channel/purpose"."""
    contacts: dict[str, str] = {}
    """Contact field → alias under which it was sealed."""
    lifecycle: str = "none"
    sleep_warning: bool = False
    rfm: str = "none"
    ids: tuple[str, ...] = ()
    """Other ids of this person."""
    erased: int = 0
    """Instant up to which this person was erased; 0: never."""


class Timer(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A rule raises a candidate at this instant unless something takes the timer away before."""

    at: int
    rule: str
    key: str
    """The candidate's trigger key."""
    product: str = ""
    """Armed by browsing: the product."""
    alias: str = ""
    """Armed by browsing under another id of the person: that id."""
    half: bool = False
    """Armed before ids of the person became one: when it fires it is asked whether the whole person still wants it."""


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
