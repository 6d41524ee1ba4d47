"""What code counts with: the part of prometheus-client's interface that is used, and meters that count nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, Self


class Counter(Protocol):
    """Only rises."""

    def labels(self, *values: str) -> Self:
        """The child with these label values."""
        ...

    def inc(self, amount: float = 1, /) -> None:
        """Count `amount` more."""
        ...


class Gauge(Protocol):
    """A value that rises and falls."""

    def labels(self, *values: str) -> Self:
        """The child with these label values."""
        ...

    def remove(self, *values: str) -> None:
        """Drop the child with these label values."""
        ...

    def set(self, value: float, /) -> None:
        """The value is this from now on."""
        ...

    def set_function(self, function: Callable[[], float], /) -> None:
        """The value is asked of `function` at every scrape, in the listener's thread."""
        ...


class Histogram(Protocol):
    """Counts observed values by bucket."""

    def observe(self, amount: float, /) -> None:
        """One more value."""
        ...


class Meters(Protocol):
    """The series of one process, by their names in shared/telemetry/series.py."""

    def counter(self, name: str) -> Counter:
        """KeyError unless the process has a counter of this name."""
        ...

    def gauge(self, name: str) -> Gauge:
        """KeyError unless the process has a gauge of this name."""
        ...

    def histogram(self, name: str) -> Histogram:
        """KeyError unless the process has a histogram of this name."""
        ...


class _Nothing:
    """A counter, gauge or histogram that counts nothing."""

    def labels(self, *values: str) -> Self:
        return self

    def remove(self, *values: str) -> None:
        pass

    def inc(self, amount: float = 1) -> None:
        pass

    def set(self, value: float) -> None:
        pass

    def set_function(self, function: Callable[[], float]) -> None:
        pass

    def observe(self, amount: float) -> None:
        pass


class _Unseen:
    """Meters that nobody reads."""

    _nothing: Final = _Nothing()

    def counter(self, name: str) -> Counter:
        return self._nothing

    def gauge(self, name: str) -> Gauge:
        return self._nothing

    def histogram(self, name: str) -> Histogram:
        return self._nothing


UNSEEN: Final[Meters] = _Unseen()
"""For parts that run without a listener: commands, tests, simulations."""
