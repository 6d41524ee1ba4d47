"""Gathers the records of all requests by target partition, so that many share one batch. Knows requests' ends; no client."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, final

from aiokafka.errors import KafkaError

from shared.engine.fold.batch import Emit
from shared.engine.recovery.effects import Sink

Target = tuple[str, int]


class _Request:
    """What is still to be acknowledged of one request."""

    __slots__ = ("done", "left")

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done, self.left = done, 0

    def stored(self) -> None:
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)

    def failed(self, error: KafkaError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class _Part(NamedTuple):
    """A request's records for one target."""

    request: _Request
    records: list[Emit]


@final
class Gatherer:
    """One batch in flight per target; what comes meanwhile makes up the next. A client is paid per batch, not per record."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: dict[Target, list[_Part]] = {}
        self._pumps: dict[Target, asyncio.Task[None]] = {}

    async def publish(self, records: Sequence[Emit]) -> None:
        """Return when all are acknowledged; the KafkaError of the first that is not. A cancelled request leaves no record waiting."""
        request = _Request(asyncio.get_running_loop().create_future())
        parts: dict[Target, list[Emit]] = {}
        for record in records:
            parts.setdefault((record.topic, record.partition), []).append(record)
        for target, part in parts.items():
            request.left += 1
            self._waiting.setdefault(target, []).append(_Part(request, part))
            if target not in self._pumps:
                self._pumps[target] = asyncio.create_task(self._pump(target), name=f"produce to {target[0]}")
        try:
            await request.done
        except (
            BaseException
        ):  # refused or given up: either way nothing of it may be sent later; it goes on to the caller
            for target in parts:
                self._waiting[target] = [one for one in self._waiting[target] if one.request is not request]
            raise

    async def close(self) -> None:
        """Give up what is under way."""
        pumps = list(self._pumps.values())
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, target: Target) -> None:
        try:
            while taken := self._waiting[target]:
                self._waiting[target] = []
                await self._hand_over(target, taken)
        finally:
            del self._pumps[target]

    async def _hand_over(self, target: Target, parts: list[_Part]) -> None:
        records = [record for part in parts for record in part.records]
        failure: KafkaError | None = KafkaError("given up")
        try:
            await self._sink.send(*target, records)
            failure = None
        except KafkaError as error:
            failure = error
        finally:
            for part in parts:
                if failure is None:
                    part.request.stored()
                else:
                    part.request.failed(failure)
