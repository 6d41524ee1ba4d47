"""The ACS3-HMAC-SHA256 request signature of Alibaba Cloud; it knows no clock, no network and no SMS."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"


def canonical_query(params: Mapping[str, str]) -> str:
    """The query as it must travel: sorted by name, RFC 3986 escapes (space is %20, `~` stays)."""
    return "&".join(f"{_escape(name)}={_escape(params[name])}" for name in sorted(params))


def authorization(*, key_id: str, key_secret: str, method: str, query: str, headers: Mapping[str, str]) -> str:
    """The Authorization header for a call to `/`.

    `headers` are those to be signed, names in lower case, `x-acs-content-sha256` among them; `query` comes from
    canonical_query.
    """
    names = sorted(headers)
    canonical = "\n".join(
        [
            method,
            "/",
            query,
            *(f"{name}:{headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            headers["x-acs-content-sha256"],
        ]
    )
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key_secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={key_id},SignedHeaders={';'.join(names)},Signature={signature}"


def _escape(text: str) -> str:
    return quote(text, safe="-_.~")
