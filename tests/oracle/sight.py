"""Which ids of a person each hop holds, and whether the last one sees all of them; knows ids only."""

from __future__ import annotations

from collections.abc import Iterable

PROFILE, SEGMENTER, TRIGGER_ENGINE = range(3)


class Sight:
    """Of one customer, in the order of his log."""

    def __init__(self) -> None:
        self.held: tuple[set[str], set[str], set[str]] = (set(), set(), set())
        """Per hop: ids whose state it has absorbed."""
        self._named: set[str] = set()
        self._refused: set[str] = set()
        self._told: tuple[set[str], set[str]] = (set(), set())
        """Named and held, as the profile service has told the later hops last."""

    @property
    def whole(self) -> bool:
        """Three hops hold the same ids, and every one that events have named."""
        named, first = self._told
        return first == self.held[SEGMENTER] == self.held[TRIGGER_ENGINE] and named <= self.held[TRIGGER_ENGINE]

    def name(self, aliases: Iterable[str]) -> None:
        """An event has named these ids beside the customer."""
        self._named |= set(aliases) - self._refused

    def tell(self) -> None:
        """A bundle goes to the later hops."""
        self._told = set(self._named), set(self.held[PROFILE])

    def hold(self, hop: int, other: Sight, customer: str) -> None:
        """The state of another id has come to this hop, and with it what that one held."""
        self.held[hop].update(other.held[hop], {customer})
        if hop == PROFILE:
            self._refused |= other._refused - self.held[hop]
            self._named = (self._named | other._named) - self._refused

    def refuse(self, alias: str) -> bool:
        """Nobody waits for this id any more; False where that changes nothing."""
        if alias in self._refused or alias in self.held[PROFILE]:
            return False
        self._refused.add(alias)
        self._named.discard(alias)
        return True
