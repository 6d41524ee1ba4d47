"""Whether history that comes over HTTP must wait because the chain is behind. Knows the lag; not records or requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol, final

from aiokafka.errors import KafkaError

from services.ingest.chain_lag import HOPS, ChainLag

LOOK_SECONDS: Final = 1.0
"""So long one look at the lag holds."""
ANSWER_SECONDS: Final = 2.0


class Brake(Protocol):
    """Whether history must wait."""

    async def pulled(self) -> bool:
        """True while it must."""

    async def close(self) -> None:
        """Let go of what it holds."""


@final
class ChainBrake:
    """The lag of the chain: connects when first asked, and looks once a second however often it is asked."""

    def __init__(
        self, bootstrap: str, monotonic: Callable[[], float], *, max_lag: int, hops: Mapping[str, str] = HOPS
    ) -> None:
        self._bootstrap, self._monotonic, self._max_lag, self._hops = bootstrap, monotonic, max_lag, hops
        self._chain: ChainLag | None = None
        self._looked, self._pulled = float("-inf"), False
        self._one = asyncio.Lock()

    async def pulled(self) -> bool:
        """True while more than `max_lag` records wait at one hop. A broker that cannot be asked stops nobody: nor will it store."""
        async with self._one:
            if self._monotonic() - self._looked >= LOOK_SECONDS:
                lag = await self._records()
                self._looked, self._pulled = self._monotonic(), lag is not None and lag > self._max_lag
            return self._pulled

    async def close(self) -> None:
        """Hang up."""
        chain, self._chain = self._chain, None
        if chain is not None:
            with contextlib.suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(ANSWER_SECONDS):
                    await chain.__aexit__(None, None, None)

    async def _records(self) -> int | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._chain is None:
                    self._chain = ChainLag(self._bootstrap, self._hops)
                    await self._chain.__aenter__()
                return await self._chain.records()
        except (KafkaError, TimeoutError):
            await self.close()
            return None
