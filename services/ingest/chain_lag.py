"""Records that the hops of the chain have not taken yet, for senders that must not crowd out live events."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self, final

from shared.contract.topics import CUSTOMER_EVENTS, PROFILE_UPDATES, SEGMENT_UPDATES
from shared.kafka.lag import LagReader

HOPS: Final = {
    "profile": CUSTOMER_EVENTS.name,
    "segmenter": PROFILE_UPDATES.name,
    "trigger-engine": SEGMENT_UPDATES.name,
}
"""Consumer group of each hop → what it reads."""


@final
class ChainLag:
    """`async with ChainLag(bootstrap) as chain: await chain.records()`."""

    def __init__(self, bootstrap: str, hops: Mapping[str, str] = HOPS) -> None:
        inputs = {group: (topic,) for group, topic in hops.items()}
        self._lag = LagReader(bootstrap, inputs=inputs, others=False, topics=frozenset(hops.values()))

    async def __aenter__(self) -> Self:
        await self._lag.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._lag.__aexit__(kind, error, trace)

    async def records(self) -> int | None:
        """Records that the hop furthest behind has not committed; None if no hop ever committed."""
        hops = (await self._lag.read()).values()
        begun = [hop for hop in hops if any(one.committed is not None for one in hop)]
        return max((sum(one.lag for one in hop) for hop in begun), default=None)
