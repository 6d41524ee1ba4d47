"""A bounded memory: the newest entries, for a while, up to a weight. Knows keys and weights; not what it keeps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar, final

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounds(NamedTuple):
    """What a shelf holds at most."""

    window_ms: int
    """How long an entry counts after it was put."""
    weight: int
    """Sum of the entries' weights; the oldest leave first."""


class _Kept(NamedTuple):
    value: object
    weight: int
    until: int


@final
class Shelf(Generic[K, V]):
    """Entries by key; `now` (ms) comes with every call."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._kept: OrderedDict[K, _Kept] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K, now: int) -> V | None:
        """What was put there within the window, if it is still kept."""
        kept = self._kept.get(key)
        return None if kept is None or kept.until <= now else kept.value  # type: ignore[return-value]

    def put(self, key: K, value: V, now: int, *, weight: int = 1) -> None:
        """Keep the value as the newest; the oldest leave until the weight fits, this one included if it alone is too heavy."""
        self.drop(key)
        self._kept[key] = _Kept(value, weight, now + self._bounds.window_ms)
        self.weight += weight
        while self.weight > self._bounds.weight:
            self.weight -= self._kept.popitem(last=False)[1].weight

    def drop(self, key: K) -> None:
        """Forget it."""
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.weight -= kept.weight
