"""When an event happened, if the sender's clock is wrong. Knows the stamps of Segment's messages; no clock of its own."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.ingest.fields import Fields
from shared.instants import EARLIEST, LATEST, parse_instant

TOLERANCE_MS: Final = 5_000
"""So much between sending and receiving may be the way: the clock is taken to be right, and the instant stays as told."""


class Instants(NamedTuple):
    """When a message says that it happened."""

    told: int
    """By the sender's clock, which orders what he sent."""
    at: int
    """By ours."""


def instants(message: Fields, *, sent_at: object, received_at: int) -> Instants:
    """`timestamp` or `originalTimestamp`, put right; EventRefusedError names it. Without both it is `received_at`.

    Put right is received_at − (sentAt − told), for sentAt and told were read from the same clock. `sent_at`: of the
    request; the message's own goes before it. It stays as told without a readable sentAt, within the tolerance, and
    where somebody put it right before (`receivedAt` is there, or `originalTimestamp` beside `timestamp`).
    """
    left = message.rest()
    own, mended = left.pop("sentAt", None), left.pop("receivedAt", None) is not None
    given = message.instant("timestamp", default=-1)
    original = message.instant("originalTimestamp", default=-1) if "originalTimestamp" in left else -1
    told = original if given < 0 else given
    if told < 0:
        return Instants(received_at, received_at)
    if own is None and sent_at is None:
        return Instants(told, told)
    sent = _readable(sent_at if own is None else own)
    if mended or sent is None or (given >= 0 and original >= 0) or abs(received_at - sent) <= TOLERANCE_MS:
        return Instants(told, told)
    at = received_at - (sent - told)
    if not EARLIEST <= at <= LATEST:
        raise message.refuse("timestamp", "must lie in the years 2000 to 2100 after sentAt put it right, too")
    return Instants(told, at)


def _readable(text: object) -> int | None:
    """None for what is no instant: the SDK writes it, the shop cannot mend it, so it refuses nothing."""
    try:
        return parse_instant(text) if isinstance(text, str) else None
    except ValueError:
        return None
