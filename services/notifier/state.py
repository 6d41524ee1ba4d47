"""What is remembered of a command on its way out; knows shapes, not when anything moves."""

from __future__ import annotations

import enum

import msgspec

from shared.contract.commands import SendMessage


class State(enum.StrEnum):
    """Where a command stands. README.md has the picture."""

    PENDING = "pending"
    SENDING = "sending"
    """Claimed: from here on bytes may have left."""
    UNKNOWN = "unknown"
    """Nobody can say yet whether the provider took it."""
    AWAITING_STAFF = "awaiting_staff"
    """The provider holds a task that a guide must confirm."""
    SENT = "sent"
    ASSUMED_SENT = "assumed_sent"
    """It may have gone, and the provider can never be asked: counted apart."""
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    """In doubt to the end, and not sent again."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One command in the outbox as a transaction has read it; durations and instants in ms of the database's clock."""

    command: SendMessage
    state: State
    attempt_no: int = 0
    look_ups: int = 0
    possible_duplicate: bool = False
    age_ms: int = 0
    """Since it entered the outbox."""
    since_start_ms: int = 0
    """Since the first attempt began; 0 without one."""
    started_at: int = 0
    """Instant at which the latest attempt began; 0 without one."""
    provider_ref: str | None = None


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What the claim has found out about one pending command."""

    cancelled: str | None = None
    """Reason of the cancellation, if there is one."""
    suppressed: str | None = None
    """Reason for which the customer or his address is silenced, if it is."""
    sealed: str | None = None
    """The sealed address, if it is known."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What shall become of a command; the same state again means: wait and look again."""

    to: State
    reason: str = ""
    wait_ms: int = 0
    """It is not looked at before this time has passed."""
    provider_ref: str | None = None
    suppress: bool = False
    """The address shall be silenced."""
    pause: bool = False
    """The channel shall stop until a person lets it go on."""
    again: bool = False
    """It is sent again although nobody knows: flagged as a possible duplicate."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in ms and the switches of the state machine."""

    lease: int = 30_000
    quiet: int = 600_000
    address_wait: int = 60_000
    """How long a command waits for a contact point that has not been read yet."""
    longest_wait: int = 900_000
    """Bound of every wait for a retry or a look-up."""
    look_up_for: int = 86_400_000
    """After this time a question that the provider leaves open is given up."""
    staff_poll: int = 60_000
    staff_wait: int = 86_400_000
    """A guide has at least this time to confirm."""
    resend_service: bool = False
    """Send service messages in doubt once more, flagged, instead of giving them up."""
    expiry: bool = True
    """Commands expire at send_by. Off only for tests that prove what this gate stops."""
    naive: bool = False
    """No doubt is ever admitted: what was not marked as sent is sent again. Only for tests that must see duplicates."""
