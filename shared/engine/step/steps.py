"""Applies one fold step for one customer; an exception dead-letters the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from shared.contract.origin import NEVER, Origin
from shared.contract.topics import MAX_RECORD
from shared.engine.fold import poison_limit
from shared.engine.fold.batch import Counts, Emit, Record
from shared.engine.fold.fold import Context, Outcome, S
from shared.engine.fold.rules import Off, Rule
from shared.engine.identity import linking
from shared.engine.state.entry import Entry
from shared.engine.state.head import STATE_LIMIT, pack
from shared.engine.state.memory import Memory
from shared.engine.state.outgoing import Outgoing, OversizedOutputError
from shared.engine.state.stored import Head, Links
from shared.engine.step.taken import Taken


class Steps(Generic[S]):
    """`run` a step, or `hand_over` what goes on to another id; whatever fails in it is `poison`."""

    def __init__(self, memory: Memory[S], out: Outgoing[S], *, scenario: bool, off: Off) -> None:
        self._memory, self._out, self._scenario, self._off = memory, out, scenario, off
        self.counts = Counts()
        self.clock = 0
        """Logical now of the partition, ms."""
        self.behaviour = 1
        """In force (InForce.behaviour)."""
        self.balance = 0
        """Failures beyond successes (shared/engine/fold/poison_limit.py)."""
        self.quiet = True
        """Since the last drain only ticks that touched nobody (rule 12)."""

    def run(self, entry: Entry[S], taken: Taken, take: Callable[[Context], Outcome[S] | None]) -> bool:
        """Run the fold for one customer; False if it was poison: then nothing of the state has changed."""
        links = taken.links
        try:
            outcome = take(self.context(entry, taken))
            emits = [] if outcome is None else self._of_step(entry, outcome, taken)
            size = self._size(entry, outcome, links, taken.size)
        except Exception as error:  # whatever fails in a step is poison for this (record, customer) alone
            if Rule.POISON in self._off:
                raise
            self.poison(taken.record, error, customer=entry.name)
            return False
        self.balance = poison_limit.succeeded(self.balance)
        if outcome is None:
            self.counts.duplicates += 1
            if links is not entry.links:
                entry.links, entry.size = links, size
                self.touch(entry, taken.place)
            return True
        self.counts.steps += 1
        self._out.emits += emits
        entry.state, entry.due, entry.links = outcome.state, outcome.due, links
        entry.size = size
        entry.frozen = size > STATE_LIMIT and Rule.FROZEN not in self._off
        self.touch(entry, taken.place)
        return True

    def told(self, entry: Entry[S], taken: Taken, take: Callable[[Context], Outcome[S] | None]) -> list[Emit]:
        """What a step would say; nothing of the state changes. Where it fails, that is poison, and nothing is said."""
        try:
            outcome = take(self.context(entry, taken))
            return [] if outcome is None else self._of_step(entry, outcome, taken)
        except Exception as error:  # as in `run`: poison for this customer alone
            if Rule.POISON in self._off:
                raise
            self.poison(taken.record, error, customer=entry.name)
            return []

    def hand_over(self, record: Record, entry: Entry[S], place: Origin, act: Callable[[], None]) -> None:
        """Run what sends a state or a record on to another id; where it fails, that is poison like a failing step."""
        sent = len(self._out.emits)
        try:
            act()
        except Exception as error:  # as in `run`: whatever it is, this record alone is rejected
            if Rule.POISON in self._off:
                raise
            del self._out.emits[sent:]
            self.poison(record, error, customer=entry.name)
            return
        self.touch(entry, place)

    def touch(self, entry: Entry[S], place: Origin) -> None:
        """The customer has changed; his origin is `place` now."""
        self.quiet = False
        self._memory.touch(entry, place)

    def poison(self, record: Record, error: Exception, customer: str | None = None, *, counts: bool = True) -> None:
        """Bury the record. `counts`: it speaks against the code that runs (a frozen customer, known and bounded, does not)."""
        self.counts.poison += 1
        self.balance = poison_limit.failed(self.balance) if counts else self.balance
        self.quiet = False
        self._out.bury(record, error, customer)

    def _of_step(self, entry: Entry[S], outcome: Outcome[S], taken: Taken) -> list[Emit]:
        return self._out.of_step(entry, outcome, taken.origin, taken.links, taken.told, mark=taken.mark)

    def context(self, entry: Entry[S], taken: Taken) -> Context:
        """The circumstances of a step for this customer."""
        whole, arrived = linking.whole(taken.links, entry.name, self._out.hop), taken.record.timestamp
        name, origin, scenario = entry.name, taken.origin, self._scenario
        return Context(name, name, self.clock, arrived, origin, whole, scenario, self.behaviour)

    def _size(self, entry: Entry[S], outcome: Outcome[S] | None, links: Links, record_size: int) -> int:
        """Of the stored value, in bytes: estimated from above, exact once above the limit. Raises where it cannot be stored."""
        if outcome is not None and not -NEVER <= outcome.due <= NEVER:
            raise ValueError(f"due: {outcome.due} is beyond what can be kept")
        size = entry.size + 2 * record_size
        if size > STATE_LIMIT and Rule.FROZEN not in self._off:
            state = entry.state if outcome is None else outcome.state
            size = len(pack(Head(links=links), b"")) + self._memory.body_size(state)
        if size > MAX_RECORD and Rule.RECORD_LIMIT not in self._off:
            raise OversizedOutputError(
                f"the customer's state would have {size} bytes, the limit of a record is {MAX_RECORD}"
            )
        return size
