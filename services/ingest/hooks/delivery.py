"""One webhook call: what came, and what it says in our own events. Knows no provider, topic or HTTP framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from services.ingest.hooks.sources import HookSource
from services.ingest.intake import Outcome
from services.ingest.strict_json import Limits

LIMITS = Limits(body=4 << 20, string=4 << 20)
"""An order of 500 lines has more than a mebibyte, and 有赞 sends it as one text."""


class Delivery(msgspec.Struct, frozen=True):
    """What a provider sent."""

    headers: Mapping[str, str]
    """Names in lower case."""
    raw: bytes
    """The body as it came; signatures are over these bytes."""

    def header(self, name: str) -> str:
        """The header, or ""."""
        return self.headers.get(name, "")


class SignatureRefusedError(Exception):
    """The call does not come from who holds the secret, or not now; the message says why, never what was expected."""


class Mapped(msgspec.Struct, frozen=True):
    """What an authentic call says."""

    events: Sequence[object] = ()
    """In the shapes of the typed API; of a batch also refusals of single events that could not be read."""
    ignored: str = ""
    """Why it leads to no event."""
    erase: Any = None
    """Whom to forget, as `POST /api/v1/erasures` takes it."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of an authentic call; only its sender reads it."""

    outcomes: Sequence[Outcome] = ()
    ignored: str = ""
    repeated: bool = False


class Provider(msgspec.Struct, frozen=True):
    """All that differs between providers; every function is pure."""

    verify: Callable[[Delivery, Any, int], None]
    """(delivery, source, now in ms): SignatureRefusedError unless it is authentic."""
    map: Callable[[Delivery, Any], Mapped]
    """The events; JsonRefusedError or EventRefusedError name what cannot be read."""
    answer: Callable[[Receipt], Mapping[str, Any]]
    """The body with which the provider is content; it comes with status 200."""
    repeat_key: Callable[[Delivery], str] = lambda _: ""
    """What is the same when the same call comes again; "" if calls carry no such id."""
    ping: Callable[[Delivery], bool] = lambda _: False
    """Whether it is the provider's unsigned test call, which must be answered and means nothing."""


def plain_answer(receipt: Receipt) -> dict[str, Any]:
    """Counts, for people who look at a provider's log."""
    if receipt.repeated:
        return {"status": "repeated"}
    if receipt.ignored:
        return {"status": "ignored", "reason": receipt.ignored}
    refused = sum(outcome.refusal is not None for outcome in receipt.outcomes)
    return {"status": "taken", "accepted": len(receipt.outcomes) - refused, "rejected": refused}


def issuer(source: HookSource) -> str:
    """Who hands out the ids of this source: sources with the same issuer mean the same customers and orders."""
    return source.issuer or source.name
