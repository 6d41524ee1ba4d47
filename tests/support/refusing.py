"""A broker that refuses a broadcast in some partitions, as many times as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import pytest

from shared.kafka import broadcast


class RefusingBroker:
    """Each new producer meets the next of `refusals` in the partitions `down`; the last one meets none."""

    def __init__(self, *refusals: Exception, down: Collection[int]) -> None:
        self._refusals, self._down = [None, *reversed(refusals)], down
        self._refusal: Exception | None = None
        self.taken: list[tuple[str, int, bytes]] = []
        self.headers: list[Sequence[tuple[str, bytes]]] = []
        self.asked: list[list[int]] = []
        """Partitions that each producer was asked to write to."""
        self.open = 0

    def producer(self, _: str) -> RefusingBroker:
        self._refusal = self._refusals.pop()
        self.asked.append([])
        return self

    async def start(self) -> None:
        self.open += 1

    async def stop(self) -> None:
        self.open -= 1

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> asyncio.Future[None]:
        assert value is not None
        assert partition is not None
        self.asked[-1].append(partition)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if partition in self._down and self._refusal is not None:
            answer.set_exception(self._refusal)
        else:
            self.taken.append((topic, partition, value))
            self.headers.append(headers or ())
            answer.set_result(None)
        return answer


def refusing(monkeypatch: pytest.MonkeyPatch, *refusals: Exception, down: Collection[int] = (5,)) -> RefusingBroker:
    """Broadcasts meet this broker and do not pause between attempts."""
    broker = RefusingBroker(*refusals, down=down)
    monkeypatch.setattr(broadcast, "producer", broker.producer)
    monkeypatch.setattr(broadcast, "RETRY_SECONDS", 0)
    return broker
