"""Facts that conditions read, and timers that they arm."""

from __future__ import annotations

import msgspec

from shared.contract.bundles import Consent


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
