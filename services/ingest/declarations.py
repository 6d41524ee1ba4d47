"""A source says that it has told everything up to an instant. Knows declarations and partitions; not HTTP or rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, final

from services.ingest.fields import Fields
from shared.contract.broadcasts import SourceCompleted
from shared.contract.codec import encode
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka.broadcast import Broadcast

TYPE: Final = "source.completed"
TOLERANCE_MS: Final = 300_000
"""How far a sender's clock may run ahead; what is declared beyond now counts as now."""


def read(item: object, *, source: str, now_ms: int | None) -> SourceCompleted:
    """The declaration in `{"until": …}`; EventRefusedError names the field.

    `now_ms`: nobody can have told of what is still to come; None where time is data and nobody here knows what time it is.
    """
    fields = Fields(item)
    kind, named = fields.text("type", default=TYPE), fields.text("source", default=source)
    until = fields.instant("until")
    fields.drop("id")
    if kind != TYPE:
        raise fields.refuse("type", f"must be {TYPE}")
    if named != source:
        raise fields.refuse("source", "must be the one whose key or secret this is")
    if fields.rest():
        raise fields.refuse("*", f"holds more than type, id, source and until: {len(fields.rest())} fields")
    if now_ms is not None and until > now_ms + TOLERANCE_MS:
        raise fields.refuse("until", "lies ahead: nobody can have told of what is still to come")
    return SourceCompleted(source, until if now_ms is None else min(until, now_ms))


class Broadcaster(Protocol):
    """Where declarations go."""

    async def broadcast(self, record: Broadcast) -> None:
        """Return when every partition has acknowledged it; BrokerAwayError otherwise, within a few seconds."""


@final
class Declarations:
    """Takes declarations. They stand behind everything that was acknowledged before they were sent."""

    def __init__(self, publisher: Broadcaster, now_ms: Callable[[], int | None]) -> None:
        self._publisher, self._now_ms = publisher, now_ms

    async def take(self, item: object, *, source: str) -> SourceCompleted:
        """Read and publish one; EventRefusedError or BrokerAwayError otherwise. Again, it changes nothing."""
        declared = read(item, source=source, now_ms=self._now_ms())
        await self._publisher.broadcast(Broadcast(CUSTOMER_EVENTS, encode(declared)))
        return declared
