"""Checks of signatures in constant time, each secret in turn. Knows digests; not providers or payloads."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

MOST_SIGNATURES: Final = 8
"""Signatures of one call that are looked at."""


def matches(given: Iterable[str], expected: Iterable[bytes]) -> bool:
    """Whether one of the texts is one of the expected signatures, letter by letter; all are compared to the end."""
    wanted = tuple(expected)
    offered = [text.encode() for text in given][:MOST_SIGNATURES]
    return any([hmac.compare_digest(text, each) for text in offered for each in wanted])  # noqa: C419 - no early end


def hmac_base64(key: bytes, signed: bytes) -> bytes:
    """HMAC-SHA256 in base64."""
    return base64.b64encode(hmac.digest(key, signed, "sha256"))


def md5_hex(*parts: bytes) -> bytes:
    """MD5 of the parts put together, in lower-case hex: the scheme of 有赞, which allows no better one."""
    return hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest().encode()
