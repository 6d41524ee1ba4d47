"""Events that ingest refused after it had accepted their request."""

from __future__ import annotations

import msgspec


class RejectedEvent(msgspec.Struct, frozen=True, tag_field="type", tag="event.rejected"):
    """An event that ingest refused after accepting its request (Segment's batches): reason and sealed bytes."""

    id: str
    source: str
    path: str
    """Where in the request, e.g. `$.batch[3].properties.total`."""
    reason: str
    sealed: str
    """base64 of the sealed bytes (shared/sealing.py, alias "rejected-event", field = `id`)."""
    received_at: int
    history: bool = False
    """It was told as what happened long ago (`/v1/import`): sent again it must not fire either."""
