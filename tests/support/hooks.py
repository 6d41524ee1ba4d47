"""Webhook calls as providers send them, signed with keys of the tests; knows each provider's scheme by itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

from standardwebhooks import Webhook

from services.ingest.hooks.delivery import Delivery
from services.ingest.hooks.sources import AnySource, source_of

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "hooks"
SECRETS: Final = {
    "youzan": "b8fca94e508ac942deb8fca94e508ac9",
    "generic": "whsec_" + base64.b64encode(bytes(range(32))).decode(),
    "shopify": "shpss_0123456789abcdef0123456789abcdef",
    "woocommerce": "wc secret with spaces & <signs>",
}
SIGNED_AT: Final = 1_760_000_000
"""Seconds since 1970 at which generic calls are signed."""


def cases(provider: str = "*") -> list[Path]:
    """The golden calls of a provider."""
    return sorted(GOLDEN.glob(f"{provider}/*.json"))


def read(path: Path) -> dict[str, Any]:
    """A golden call: source, provider, headers, body, and events or why there are none."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def raw_of(case: dict[str, Any]) -> bytes:
    """The body as it is sent; 有赞's older messages come url-encoded, with + for spaces."""
    body = dict(case["body"])
    if "msg" in case:
        body["msg"] = quote_plus(json.dumps(case["msg"], ensure_ascii=False, separators=(",", ":")))
    if "object" in case:
        body["msg"] = case["object"]
    return json.dumps(body, ensure_ascii=False).encode()


def sent(case: dict[str, Any], secret: str = "", call: str = "msg_1") -> tuple[Delivery, AnySource]:
    """The call, signed by the provider's scheme, and the source that it claims to be."""
    provider = case["provider"]["provider"]
    secret = secret or SECRETS[provider]
    source = source_of(case["provider"] | {"secrets": [SECRETS[provider]]})
    raw = raw_of(case)
    return Delivery(case["headers"] | signature(provider, raw, secret, case, call), raw), source


def signature(provider: str, raw: bytes, secret: str, case: dict[str, Any], call: str = "msg_1") -> dict[str, str]:
    """The headers that sign a body."""
    if provider == "youzan":
        client = case["provider"]["client_id"].encode()
        return {"event-sign": hashlib.md5(client + raw + secret.encode()).hexdigest()}  # noqa: S324 - 有赞's scheme
    if provider == "generic":
        signed = Webhook(secret).sign(call, datetime.fromtimestamp(SIGNED_AT, UTC), raw.decode())
        return {"webhook-id": call, "webhook-timestamp": str(SIGNED_AT), "webhook-signature": signed}
    digest = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
    name = "x-shopify-hmac-sha256" if provider == "shopify" else "x-wc-webhook-signature"
    return {name: digest}
