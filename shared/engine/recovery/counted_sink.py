"""A sink that tells what it was acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.engine.fold.batch import Emit
from shared.engine.recovery.effects import Appended, Sink

Sent = Callable[[str, Sequence[Emit]], None]
"""(topic, records): the broker has these."""


class CountedSink:
    """As the sink inside; calls `sent` after each acknowledgement."""

    def __init__(self, sink: Sink, sent: Sent) -> None:
        self._sink, self._sent = sink, sent

    async def send(self, topic: str, partition: int, records: Sequence[Emit]) -> Sequence[Appended] | None:
        """As `Sink.send`."""
        answer = await self._sink.send(topic, partition, records)
        self._sent(topic, records)
        return answer
