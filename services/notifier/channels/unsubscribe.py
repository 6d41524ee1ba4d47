"""Signed tokens for one-click unsubscription; it knows a command id and a key, and no person."""

import base64
import hashlib
import hmac


def unsubscribe_token(command_id: str, key: bytes) -> str:
    """A token for a link in a mail: names the command and cannot be guessed without the key."""
    return f"{command_id}.{_mac(command_id, key)}"


def command_of(token: str, key: bytes) -> str | None:
    """The command id a token was made for, or None when the token is not ours."""
    command_id, _, mac = token.rpartition(".")
    return command_id if hmac.compare_digest(mac.encode(), _mac(command_id, key).encode()) else None


def _mac(command_id: str, key: bytes) -> str:
    digest = hmac.new(key, b"unsubscribe:" + command_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:18]).decode()
