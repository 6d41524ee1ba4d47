"""A record on its way through one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.contract.origin import Origin
from shared.engine.state.outgoing import NOTHING, Mark
from shared.engine.state.stored import Links


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A record on its way through a step: the head's new origin is `place`, what it causes carries `origin`."""

    record: Any
    place: Origin
    origin: Origin
    links: Links
    size: int
    """Bytes of the record, for the estimate of the state's."""
    told: Mapping[str, Any] = NOTHING
    """What the bundle tells beside its steps."""
    mark: Mark | None = None
    """Of a record on a feedback edge; a repeat of it stands at another place and has the same mark."""
