"""What pages in a browser need of us: who may read answers, and the settings that the browser SDK starts from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK: Final = r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?"
"""Pages of this machine: what may ask where nobody is named."""
ANY: Final = "*"
ALLOWED_HEADERS: Final = (
    "anonymousid",
    "authorization",
    "content-encoding",
    "content-type",
    "idempotency-key",
    "traceparent",
    "x-retry-count",
)
EXPOSED_HEADERS: Final = ("Retry-After",)
PREFLIGHT_SECONDS: Final = 600


class Cors:
    """Answers to pages of other origins. Requests without `Origin`, those of servers, pass by untouched."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        """`origins`: such as https://shop.example, or `*`; none: pages of this machine."""
        self._app = app
        self._guarded = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_origin_regex=None if origins else LOOPBACK,
            allow_methods=("GET", "POST"),
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        asked = scope["type"] == "http" and any(name == b"origin" for name, _ in scope["headers"])
        await (self._guarded if asked else self._app)(scope, receive, send)


def read_origins(written: str) -> tuple[str, ...]:
    """Origins by comma; ValueError names one that is none, such as an address with a path."""
    origins = tuple(part.strip().lower() for part in written.split(",") if part.strip())
    for origin in origins:
        if origin != ANY and origin != origin_of(origin):
            raise ValueError(f"{origin} is no origin such as https://shop.example")
    return origins


def origin_of(url: str) -> str:
    """Scheme, host and port of an http address; "" for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def settings_document(key: str, url: str) -> dict[str, Any]:
    """What analytics-next reads from `{cdnURL}/v1/projects/{key}/settings`: events go to `url`, and nothing elsewhere."""
    scheme, _, place = url.rstrip("/").partition("://")
    every: dict[str, Any] = {"__default": {"enabled": True, "integrations": {}}}
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": f"{place}/v1",
                "protocol": scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": False,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {"track": every, "identify": every, "group": every},
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }
