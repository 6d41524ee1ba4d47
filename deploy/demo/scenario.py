"""Lives recorded time through a running stack: events by HTTP, then the tick that stands behind them; decides nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2
import msgspec

from deploy.stack.stack import Stack
from services.ingest.clock_process import tick
from shared import clock
from shared.contract.topics import CUSTOMER_EVENTS
from shared.kafka import clients
from shared.kafka.lag import LagReader, by_topic

Event = dict[str, Any]
"""An event of the typed API."""

TAKEN = ("accepted", "duplicate")
"""The log has it: from this request or from an earlier one."""
POST_AT_ONCE = 400
MAX_BEHIND = 30_000
"""Records of lag above which the scenario waits for the chain."""
LOOK_EVERY = 40
"""Steps between two looks at the lag."""
RETRY_SECONDS = 0.3
CHAIN = ("profile", "segmenter", "trigger-engine", "notifier")


class RefusedError(RuntimeError):
    """Ingest refused an event of the scenario: a fault of the generator, told with path and reason."""


class Scenario:
    """`async with Scenario(stack) as scenario`; `acked` holds the ids of all events that ingest accepted."""

    _lag_reader: type[LagReader] = LagReader

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.now = 0
        self.acked: set[str] = set()
        self.posted = 0
        self.malformed: set[str] = set()
        """Ids of events that ingest must refuse."""
        self.refused = 0
        self.retries: Counter[str] = Counter()
        """What made a request be sent again."""

    async def __aenter__(self) -> Self:
        self._producer = clients.producer(self.stack.kafka)
        await self._producer.start()
        headers = {"Authorization": f"Bearer {self.stack.secrets.read_write_key()}"}
        self._http = httpx2.AsyncClient(base_url=self.stack.http_url, headers=headers, timeout=30.0, trust_env=False)
        self.lag = await self._lag_reader(self.stack.kafka).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.lag.__aexit__(kind, error, trace)
        await self._http.aclose()
        await self._producer.stop()

    async def tick(self, as_of: int) -> None:
        """Logical time is `as_of` in every partition, acknowledged."""
        await tick(self._producer, as_of, scenario=True)
        self.now = as_of

    async def post(self, events: Sequence[Event]) -> None:
        """All events accepted, or RefusedError. While ingest is away the same bytes are sent again."""
        for start in range(0, len(events), POST_AT_ONCE):
            await self._post(events[start : start + POST_AT_ONCE])

    async def _post(self, events: Sequence[Event]) -> None:
        body = msgspec.json.encode({"events": events})
        while True:
            try:
                answer = await self._http.post(
                    "/api/v1/events", content=body, headers={"content-type": "application/json"}
                )
            except httpx2.TransportError as error:
                self.retries[type(error).__name__] += 1
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if answer.status_code in {429, 502, 503}:
                self.retries[str(answer.status_code)] += 1
                await asyncio.sleep(RETRY_SECONDS)
                continue
            break
        results = answer.json().get("results", []) if answer.status_code in {200, 207, 422} else []
        wrong = [one for one in results if (one["status"] in TAKEN) == (one["id"] in self.malformed)]
        if len(results) != len(events) or wrong:
            raise RefusedError(f"ingest answered {answer.status_code}: {(wrong or answer.text)!s:.400}")
        accepted = [str(event["id"]) for event in events if event["id"] not in self.malformed]
        self.acked.update(accepted)
        self.posted += len(accepted)
        self.refused += len(events) - len(accepted)

    async def live(
        self,
        events: Iterable[tuple[int, Event]],
        *,
        until: int,
        step_ms: int,
        seconds: float = 0.0,
        each_step: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        """From `now` to `until` in steps: the events of (t, t + step], then the tick t + step. Takes at least `seconds`."""
        waiting = iter(events)
        coming = next(waiting, None)
        steps = -(-(until - self.now) // step_ms)
        began = clock.monotonic()
        for number in range(1, steps + 1):
            upto = min(self.now + step_ms, until)
            batch = []
            while coming is not None and coming[0] <= upto:
                batch.append(coming[1])
                coming = next(waiting, None)
            if batch:
                await self.post(batch)
            await self.tick(upto)
            if each_step is not None:
                await each_step(number)
            if number % LOOK_EVERY == 0:
                await self._not_too_far_ahead()
            await asyncio.sleep(max(0.0, began + seconds * number / steps - clock.monotonic()))

    async def behind(self) -> dict[str, int]:
        """Records of lag by group of the chain."""
        found = by_topic(await self.lag.read())
        return {group: sum(topics.values()) for group, topics in found.items() if group in CHAIN or group == "console"}

    async def _not_too_far_ahead(self) -> None:
        while sum((await self.behind()).values()) > MAX_BEHIND:
            await asyncio.sleep(0.2)

    async def settled(self, *, within: float = 120.0, calm: float = 2.0, groups: Sequence[str] = CHAIN) -> None:
        """Returns when the groups have had no lag, and the first log has not grown, for `calm` seconds."""
        deadline = clock.monotonic() + within
        since, size = clock.monotonic(), -1
        while clock.monotonic() < deadline:
            behind = await self.behind()
            end = await self.lag.size(CUSTOMER_EVENTS.name)
            if any(behind.get(group, 1) for group in groups) or end != size:
                since, size = clock.monotonic(), end
            elif clock.monotonic() - since >= calm:
                return
            await asyncio.sleep(0.2)
        raise TimeoutError(f"the chain did not come to rest within {within:.0f} s: lag {await self.behind()}")
