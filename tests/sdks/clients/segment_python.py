"""The calls of a shop by Segment's Python SDK, as it is; told by SDK_CALLS, answers with its version."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime

from segment.analytics.client import Client
from segment.analytics.version import VERSION

calls = json.loads(os.environ["SDK_CALLS"])
user, anonymous, at = calls["user"], calls["anonymous"], datetime.fromisoformat(calls["at"])
failures: list[str] = []
client = Client(
    calls["key"],
    host=calls["url"],
    gzip=calls["gzip"],
    on_error=lambda error, _: failures.append(str(error)),
    max_retries=5,
)
client.identify(user, calls["traits"], timestamp=at, anonymous_id=anonymous)
client.track(user, "Order Completed", calls["order"], timestamp=at, anonymous_id=anonymous)
client.page(user, "", "Home", {"path": "/"}, timestamp=at, anonymous_id=anonymous)
client.screen(user, "", "Cart", {}, timestamp=at, anonymous_id=anonymous)
client.group(user, "g7", {"plan": "pro"}, timestamp=at, anonymous_id=anonymous)
client.alias(anonymous, user, timestamp=at)
client.shutdown()
sys.stdout.write(json.dumps({"version": VERSION, "failures": failures}))
