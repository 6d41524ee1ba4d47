"""Records as the broker hands them over, and tables kept in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from services.console.consent_records import Consented
from services.console.projection import Known, project
from services.console.records import Decision, Message, Record, Standing, read_batch
from shared.contract.codec import encode


class Stored(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def log_of(topic: str, *records: tuple[str | None, Any], partition: int = 0, at: int = 1_000_000) -> list[Stored]:
    """A partition from its start: (customer, record) in order, one second apart; record None deletes."""
    return [
        Stored(
            topic,
            partition,
            offset,
            at + 1_000 * offset,
            None if customer is None else customer.encode(),
            None if record is None else encode(record),
        )
        for offset, (customer, record) in enumerate(records)
    ]


class Tables:
    """What the database would hold, and how the store writes it."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, int], int] = {}
        self.logical_now = 0
        self.unreadable = 0
        self.customers: dict[str, Standing] = {}
        self.marks: dict[str, int] = {}
        self.messages: dict[str, Message] = {}
        self.decisions: dict[str, Decision] = {}
        self.consents: dict[tuple[int, int], Consented] = {}
        self.erased: dict[str, int] = {}
        self.amounts: dict[str, dict[tuple[object, ...], tuple[int, ...]]] = defaultdict(dict)

    def take(self, records: Sequence[Record], *, scenario: bool = True) -> None:
        batch = read_batch(records, self.positions, scenario=scenario)
        known = Known(self.customers, self.marks, self.messages, self.decisions, self.erased)
        rows = project(batch, known)
        self.positions |= batch.positions
        self.logical_now = max(self.logical_now, batch.logical_now)
        self.unreadable += batch.unreadable
        self.customers |= rows.customers
        for customer in rows.gone:
            del self.customers[customer]
        self.marks |= rows.marks
        self.messages |= rows.messages
        self.decisions |= {new.id: new for new in rows.decisions}
        self.consents |= {(one.partition, one.offset): one for one in rows.consents}
        for each, until in rows.erased.items():
            self.erased[each] = max(until, self.erased.get(each, 0))
            self.consents = {k: one for k, one in self.consents.items() if one.customer != each or one.at > until}
            theirs = [one for one in self.decisions.values() if one.customer == each and one.decided_at <= until]
            self.decisions |= {one.id: one._replace(customer="") for one in theirs}
        for name, added in rows.amounts.items():
            for key, amounts in added.items():
                before = self.amounts[name].get(key, (0,) * len(amounts))
                self.amounts[name][key] = tuple(a + b for a, b in zip(before, amounts, strict=True))

    def counted(self, name: str) -> dict[tuple[object, ...], tuple[int, ...]]:
        """A counting table without keys that hold nothing."""
        return {key: amounts for key, amounts in self.amounts[name].items() if any(amounts)}

    def content(self) -> dict[str, Any]:
        """All that is shown."""
        names = ("population", "movement", "message_count", "decision_count", "event_total", "event_second")
        rows = (self.positions, self.logical_now, self.customers, self.marks, self.messages, self.decisions)
        return {"rows": rows, **{name: self.counted(name) for name in names}}
