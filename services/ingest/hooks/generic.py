"""Our own events pushed by an OMS, POS or ERP, signed as Standard Webhooks 1.0. Knows headers and digests; no event."""

from __future__ import annotations

import re
from typing import Any, Final

from services.ingest.hooks.delivery import LIMITS, Delivery, Mapped, Provider, Receipt, SignatureRefusedError
from services.ingest.hooks.delivery import plain_answer as counts
from services.ingest.hooks.signatures import hmac_base64, matches
from services.ingest.hooks.sources import Generic, signing_key
from services.ingest.strict_json import JsonRefusedError, parse, parse_batch

TOLERANCE_MS: Final = 300_000
MOST_EVENTS: Final = 500
_ID: Final = re.compile(r"[!-\-/-~]{1,256}", re.ASCII)
"""Visible and without the full stop, which parts id and time in what is signed."""
_SECONDS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_VERSION: Final = "v1,"


def verify(delivery: Delivery, source: Generic, now_ms: int) -> None:
    """SignatureRefusedError unless id, time and body are signed with one of the secrets, and the time is near."""
    call, seconds = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
    if _ID.fullmatch(call) is None:
        raise SignatureRefusedError("webhook-id: is missing or malformed")
    if _SECONDS.fullmatch(seconds) is None:
        raise SignatureRefusedError("webhook-timestamp: must be whole seconds since 1970")
    if abs(now_ms - int(seconds) * 1_000) > TOLERANCE_MS:
        raise SignatureRefusedError("webhook-timestamp: is more than 300 s away; sign each attempt anew")
    given = [each.removeprefix(_VERSION) for each in delivery.header("webhook-signature").split(" ") if _v1(each)]
    signed = f"{call}.{seconds}.".encode() + delivery.raw
    if not matches(given, (hmac_base64(signing_key(secret), signed) for secret in source.secrets)):
        raise SignatureRefusedError("webhook-signature: none of them is right")


def map_events(delivery: Delivery, _: Generic) -> Mapped:
    """The events of `{"events": […]}`, or the one event that the body is."""
    try:
        batch = parse_batch(delivery.raw, "events", LIMITS)
    except JsonRefusedError as refusal:
        if refusal.path != "$.events":
            raise
        single = parse(delivery.raw, LIMITS)
        if not isinstance(single, dict) or "events" in single:
            raise
        return Mapped((single,))
    if batch.envelope:
        raise JsonRefusedError("$", "holds fields beside events")
    if not 1 <= len(batch.items) <= MOST_EVENTS:
        raise JsonRefusedError("$.events", f"must hold 1 to {MOST_EVENTS} events")
    return Mapped(batch.items)


def answer(receipt: Receipt) -> dict[str, Any]:
    """Counts and a result per event; what was refused is kept among the rejected events, so nothing is sent again."""
    results = [
        {"id": outcome.id, "status": "accepted"}
        if outcome.refusal is None
        else {
            "id": outcome.id,
            "status": "rejected",
            "error": {"path": outcome.refusal.path, "reason": outcome.refusal.reason},
        }
        for outcome in receipt.outcomes
    ]
    return counts(receipt) | ({"results": results} if results else {})


def _v1(signature: str) -> bool:
    return signature.startswith(_VERSION)


PROVIDER: Final = Provider(verify, map_events, answer, repeat_key=lambda delivery: delivery.header("webhook-id"))
