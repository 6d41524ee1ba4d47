"""Commands of the trigger engine to the notifier: send, cancel, suppress, allow."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from shared.contract.facts import Channel, Purpose


class SendMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="send"):
    """One message to one customer (or, by channel staff_task, one task to his guide), once."""

    command_id: str
    customer: str
    rule: str
    trigger_key: str
    step: int = 0
    position: int = 0
    """Place in the touch: 0 the message itself, 1… its companions."""
    channel: Channel
    purpose: Purpose
    template: str
    alias: str = ""
    """Customer id under which the address was sealed."""
    field: str = ""
    """Contact field of the address: phone, email, external_userid."""
    guide: str = ""
    """Staff id, for staff_task and for the sender of a WeCom mass message."""
    variables: dict[str, Any] = {}
    effective_at: int
    """The instant that caused it."""
    decided_at: int
    """Logical time of the decision."""
    send_by: int
    """After this logical time it must not go any more."""
    policy: int
    """Version of the policy that decided."""


class CancelMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="cancel"):
    """Do not send this command if it has not gone yet."""

    command_id: str
    customer: str
    reason: str
    decided_at: int


class Suppress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="suppress"):
    """From now on nothing of this purpose goes by this channel; what waits does not go either.

    Per person, channel and purpose the one with the largest (decided_at, number) holds, against `Allow` as well.
    """

    customer: str
    ids: tuple[str, ...] = ()
    """Other ids of this person, for whom it holds alike."""
    channel: Channel | Literal["all"]
    purpose: Purpose | Literal["all"]
    reason: Literal["consent", "erased"]
    """erased: forget the person's addresses and contents, too."""
    erased: int = 0
    """Erased: contact points sealed up to this instant are not taken any more."""
    decided_at: int
    number: int
    """Rises by one with every command of this kind about the person."""


class Allow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="allow"):
    """Takes a `Suppress` of the same channel and purpose back."""

    customer: str
    ids: tuple[str, ...] = ()
    channel: Channel | Literal["all"]
    purpose: Purpose | Literal["all"]
    decided_at: int
    number: int


OutreachCommand = SendMessage | CancelMessage | Suppress | Allow
