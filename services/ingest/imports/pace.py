"""How many imported records may be on their way at once, so that live ones do not wait. Pure; knows numbers alone.

What stands before a live event is what the hop furthest behind has not taken yet. That is kept to what the chain takes in
`delay` seconds, by its own rate: the rate follows what was taken lately while there was something to take.
"""

from __future__ import annotations

from typing import Final

import msgspec

DELAY_SECONDS: Final = 0.05
LEAST: Final = 100
MOST: Final = 5_000
"""Bounds of what may be on its way, whatever the rate."""
CHUNK: Final = 100
"""Records handed over before the chain is looked at again."""
_SHARE: Final = 0.3
"""Weight of what was measured last."""


class Pace(msgspec.Struct, frozen=True):
    """Rate in records per second, 0 while unknown; `behind` and `at` (seconds) of the last look."""

    delay: float = DELAY_SECONDS
    most: int = MOST
    rate: float = 0.0
    behind: int = 0
    at: float = 0.0

    @property
    def window(self) -> int:
        """Records that may be on their way."""
        return max(min(LEAST, self.most), min(self.most, int(self.rate * self.delay)))

    def seen(self, behind: int, sent: int, now: float) -> Pace:
        """After a look at the chain: `behind` records are left, `sent` were handed over since the last look."""
        took, seconds = self.behind + sent - behind, now - self.at
        if not self.at or seconds <= 0 or took <= 0:
            return msgspec.structs.replace(self, behind=behind, at=self.at if self.at and took <= 0 else now)
        rate = took / seconds
        if self.rate:
            rate = self.rate + _SHARE * (rate - self.rate)
        return msgspec.structs.replace(self, rate=rate, behind=behind, at=now)

    @property
    def free(self) -> bool:
        """Whether more may go now."""
        return self.behind <= self.window
