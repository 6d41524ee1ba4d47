"""What the notifier and its channels promise each other; it knows no provider, no store and no clock."""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import msgspec

ChannelName = Literal["email", "sms", "staff_task", "wecom"]
"""staff_task: a task card to a guide (WeCom application message). wecom: a mass message, confirmed by a guide."""

NowMs = Callable[[], int]
"""Gives the present instant in milliseconds UTC; channels are handed one and never read a clock themselves."""


class Address:
    """A phone number, mail address or WeCom id in clear, for memory only.

    Printing it in any way shows a mask, and no codec accepts it: not a dataclass, so that msgspec refuses it too.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @property
    def value(self) -> str:
        """The address in clear, for the wire."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        name, at, domain = self._value.rpartition("@")
        if at:
            return f"{name[:1]}***@{domain}"
        return f"{self._value[:3]}****{self._value[-4:]}" if len(self._value) >= 11 else "****"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered message. `text` is what a person reads; SMS providers get `template_code` and `params` instead."""

    text: str
    subject: str = ""
    html: str = ""
    template_code: str = ""
    """The provider's approved template (SMS only)."""
    params: Mapping[str, str] = {}
    """Variables of `template_code`, already checked for length (SMS only)."""

    def __repr__(self) -> str:
        return f"Content(template_code={self.template_code!r}, text=<{len(self.text)} characters>)"


class Outbound(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one recipient, ready for the wire. The same command must always give the same Outbound."""

    command_id: str
    channel: ChannelName
    to: Address
    """email: mail address; sms: E.164 or national number; staff_task: the guide's userid; wecom: external_userid."""
    content: Content
    send_by_ms: int
    """The notifier does not hand over later than this; a channel may use it to shorten its own waiting."""
    customer: str = ""
    purpose: str = ""
    """With the command, whom and what a link to refuse is about (email)."""
    staff: str | None = None
    """wecom only: WeCom userid of the guide who is asked to confirm."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A try whose end is to be found out by asking the provider."""

    outbound: Outbound
    started_at_ms: int
    """Committed before the first byte left; look-ups search from a little before it."""
    provider_ref: str | None = None
    """Known after Accepted or AwaitingStaff; None after Unknown."""


class Accepted(msgspec.Struct, frozen=True, tag="accepted"):
    """The provider took the message; whether it arrives is told later by a receipt."""

    provider_ref: str


class AwaitingStaff(msgspec.Struct, frozen=True, tag="awaiting_staff"):
    """The provider made a task; nothing reaches the customer until a guide confirms. Poll with look_up."""

    provider_ref: str


class Delivered(msgspec.Struct, frozen=True, tag="delivered"):
    """Only from look_up: the provider says that the message reached the recipient."""

    provider_ref: str


class Undelivered(msgspec.Struct, frozen=True, tag="undelivered"):
    """Only from look_up: the provider took the message and gave up on it; terminal, nothing was received."""

    provider_ref: str
    reason: str


class Retry(msgspec.Struct, frozen=True, tag="retry"):
    """Provably not accepted; the same command may be sent again after this many milliseconds."""

    after_ms: int
    reason: str


class Defer(msgspec.Struct, frozen=True, tag="defer"):
    """Provably not accepted because of a quota; send again at or after this instant."""

    until_ms: int
    reason: str


class RejectRecipient(msgspec.Struct, frozen=True, tag="reject_recipient"):
    """Provably not accepted, and never will be for this address; `suppress` asks to silence the address."""

    reason: str
    suppress: bool


class RejectMessage(msgspec.Struct, frozen=True, tag="reject_message"):
    """Provably not accepted because of template or content; the next recipient would fail the same way."""

    reason: str


class PauseChannel(msgspec.Struct, frozen=True, tag="pause_channel"):
    """Provably not accepted because of credentials, arrears or permissions; stop the channel and call a person."""

    reason: str


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """Nobody can say whether it was accepted; never send again blindly. From look_up: still open, ask again."""

    reason: str


Outcome = (
    Accepted
    | AwaitingStaff
    | Delivered
    | Undelivered
    | Retry
    | Defer
    | RejectRecipient
    | RejectMessage
    | PauseChannel
    | Unknown
)
"""Every reason is a short code (for example `smtp-550`); none repeats provider text, which may hold an address."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can do; the notifier's reconciliation is driven by it."""

    lookup: bool
    """look_up can find something at all; when False it always answers None."""
    lookup_complete: bool
    """A look_up that answers None after the quiet period proves that the message was not accepted."""
    native_dedupe_ms: int
    """The provider suppresses an identical second send for this long; 0: it never does."""
    human_confirm: bool
    """send ends in AwaitingStaff."""
    receipts: Literal["push", "poll", "none"]


class Channel(Protocol):
    """One provider. Provider and network trouble is an Outcome, never an exception; anything raised is a bug."""

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do; never changes while it runs."""
        ...

    async def send(self, outbound: Outbound) -> Outcome:
        """Try once, without inner retries. Never answers Delivered or Undelivered."""
        ...

    async def look_up(self, attempt: Attempt) -> Outcome | None:
        """Ask what became of an attempt; None: the provider does not know of it.

        Answers Accepted, AwaitingStaff, Delivered, Undelivered, RejectRecipient, PauseChannel or Unknown; never Retry:
        whether to send again is the notifier's decision.
        """
        ...

    async def close(self) -> None:
        """Give connections back; the channel is not used afterwards."""
        ...
