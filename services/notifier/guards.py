"""The guards of the notifier that a test can take out to see what they stop; in production none is off."""

from __future__ import annotations

import enum


class Guard(enum.StrEnum):
    """The value is what the guard ensures."""

    EXPIRY = "no command goes after its send_by"
    LEDGER = "no place in the send ledger is served twice"
    LEASE = "no worker claims what another one is sending"
    DOUBT = "a lost answer is a doubt: the provider is asked before anything goes again"


Off = frozenset[Guard]
"""Guards taken out: the empty set in production."""

ALL_ON: Off = frozenset()
