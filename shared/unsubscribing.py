"""Signed tokens for the link in a message by which its reader refuses further ones (RFC 8058); knows ids and a key, no address."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import NamedTuple


class Refusable(NamedTuple):
    """What a reader of this message can refuse."""

    customer: str
    channel: str
    purpose: str
    command_id: str


def token_of(about: Refusable, key: bytes) -> str:
    """Of URL-safe characters where the ids are; nobody makes or alters one without the key."""
    said = ".".join(about)
    return f"{said}.{_mac(said, key)}"


def read_token(token: str, key: bytes) -> Refusable | None:
    """What a token was made for; None when it is not ours. Neither channel, purpose nor command id has a full stop."""
    said, _, mac = token.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(said, key).encode()):
        return None
    parts = said.rsplit(".", 3)
    return Refusable(*parts) if len(parts) == len(Refusable._fields) else None


def _mac(said: str, key: bytes) -> str:
    digest = hmac.new(key, b"unsubscribe:" + said.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:18]).decode()
