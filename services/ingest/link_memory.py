"""Which ids were linked of late, so that the same two are not again with every event. Knows ids and records; not events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, final

from services.ingest.people import Person
from shared.contract.codec import encode
from shared.contract.identity import IdentityConflict, Linked
from shared.contract.partitioner import partition_of
from shared.contract.topics import CUSTOMER_EVENTS
from shared.engine.fold.batch import Emit

CAPACITY: Final = 200_000
FRESH_SECONDS: Final = 600.0
"""Then the link is written once more: it may have been undone in between, and two links are as good as one."""

Pair = tuple[str, str]
"""The weaker id and the stronger one."""


@final
class LinkMemory:
    """At most `capacity` pairs, the longest unused forgotten first. A pair counts only once the broker has its record."""

    def __init__(self, monotonic: Callable[[], float], capacity: int = CAPACITY) -> None:
        self._monotonic, self._capacity = monotonic, capacity
        self._until: OrderedDict[Pair, float] = OrderedDict()

    def knows(self, pair: Pair) -> bool:
        """Whether the pair's record was acknowledged within the last ten minutes."""
        until = self._until.get(pair)
        if until is None or self._monotonic() >= until:
            return False
        self._until.move_to_end(pair)
        return True

    def acknowledged(self, pair: Pair) -> None:
        """The broker has the record."""
        self._until[pair] = self._monotonic() + FRESH_SECONDS
        self._until.move_to_end(pair)
        while len(self._until) > self._capacity:
            self._until.popitem(last=False)


@final
class Links:
    """The links of one request (or one stretch of an import): records to write before the events; `settle` after the acknowledgement."""

    def __init__(self, memory: LinkMemory | None = None) -> None:
        self._memory = memory
        self._written: dict[Pair, None] = {}

    def of(self, person: Person) -> list[Emit]:
        """What must stand in the log before an event of this person: a link in the partition of every weaker id.

        A second member number is no link but a conflict, told to the customer whom the event goes to.
        """
        customer = person.customer
        links = [_record(alias, Linked(customer)) for alias in person.aliases if self._is_news((alias, customer))]
        conflicts = [
            _record(customer, IdentityConflict(rival, (rival, customer)))
            for rival in person.rivals
            if self._is_news((rival, customer))
        ]
        return links + conflicts

    def settle(self) -> None:
        """Every record was acknowledged."""
        if self._memory is not None:
            for pair in self._written:
                self._memory.acknowledged(pair)

    def _is_news(self, pair: Pair) -> bool:
        if pair in self._written or (self._memory is not None and self._memory.knows(pair)):
            return False
        self._written[pair] = None
        return True


def _record(customer: str, record: Linked | IdentityConflict) -> Emit:
    key = customer.encode()
    return Emit(CUSTOMER_EVENTS.name, partition_of(key), key, encode(record))
