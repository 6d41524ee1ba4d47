"""From the library's words on a refused value to ours: the field and the reason, never the value. Knows wording only."""

from __future__ import annotations

import re
from typing import Final

from services.ingest.cutting import NOTHING, masked
from services.ingest.fields import EventRefusedError

_VALUE: Final = re.compile(r"\s*'.*'", re.DOTALL)


def refused(message: str, root: str) -> EventRefusedError:
    """The library writes "reason - at `$.path`", and quotes values that are none of those expected; `root`: e.g. "$.event"."""
    reason, _, place = message.partition(f" - at `{root}")
    reason = masked(_VALUE.sub("", reason), NOTHING) or "is refused"
    return EventRefusedError(place.removesuffix("`").removeprefix("."), reason[0].lower() + reason[1:])
