"""What a reading of a file found: counts, refused rows, first facts. Knows how to count; not where it is shown."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Any, Final, final

import msgspec

from services.ingest.imports.refusals import RowError, RowRefusedError, row_error
from services.ingest.imports.table import Found
from services.ingest.people import Taken
from shared.contract.facts import OrderPlaced, OrderRefunded
from shared.ids import hash64

_OTHER_ROW: Final = re.compile(r"row \d+")

MOST_ERRORS: Final = 200
"""Refused rows kept one by one; all are counted."""
FIRST: Final = 5
MOST_CUSTOMERS: Final = 2_000_000
"""Distinct customers are counted up to here (128 MB)."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Rows are in a fact, skipped or refused: the three add up to `rows`."""

    name: str
    sha256: str
    size: int
    found: Found
    kind: str
    columns: dict[str, str]
    """Field → column of the file."""
    unused: list[str]
    """Columns that nothing is mapped to."""
    rows: int
    used: int
    """Rows that are in a fact."""
    skipped: dict[str, int]
    """Rows by the reason for which they rightly count nowhere."""
    refused: int
    errors: list[RowError]
    """The first of them."""
    reasons: dict[str, int]
    """Refused rows by "column: reason"."""
    facts: dict[str, int]
    """By type."""
    customers: int
    orders: int
    refunds: int
    revenue: int
    """Minor units of all orders."""
    lines: int
    return_lines: int
    earliest: int | None
    latest: int | None
    after_baseline: int
    """Facts with an instant above the baseline."""
    groups: int
    """What is sent as one: the facts of one row or order, with the contacts sealed for them."""
    first: list[dict[str, Any]]
    """The first facts in the order in which they will be sent."""


def digest(report: Report, more: Any = None) -> str:
    """Names what was shown: the file, its mapping, every count, and `more` (the forecast). 16 hex digits."""
    shown = [report, more]
    return hashlib.blake2b(msgspec.json.encode(shown, order="deterministic"), digest_size=8).hexdigest()


@final
class Tally:
    """Counts while the file is read."""

    def __init__(self) -> None:
        self.rows = self.used = self.refused = self.groups = 0
        self.skipped: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.errors: list[RowError] = []
        self.facts: Counter[str] = Counter()
        self.revenue = self.lines = self.return_lines = self.after = 0
        self.earliest: int | None = None
        self.latest: int | None = None
        self.first: list[dict[str, Any]] = []
        self._customers: set[int] = set()

    def skip(self, reason: str, rows: int = 1) -> None:
        """Rows that count nowhere."""
        self.skipped[reason] += rows

    def refuse(self, row: int, refusal: RowRefusedError, rows: int = 1) -> None:
        """Rows that cannot be taken."""
        self.refused += rows
        self.reasons[_OTHER_ROW.sub("another row", str(refusal))] += rows
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(row_error(row, refusal))

    def take(self, taken: Taken, rows: int, baseline: int) -> None:
        """Rows that became these facts."""
        self.used += rows
        self.groups += 1
        for fact in taken.facts:
            self.facts[str(fact.__struct_config__.tag)] += 1
            self.earliest = fact.at if self.earliest is None else min(self.earliest, fact.at)
            self.latest = fact.at if self.latest is None else max(self.latest, fact.at)
            self.after += fact.at > baseline
        if len(self._customers) < MOST_CUSTOMERS and not isinstance(taken.facts[0], OrderRefunded):
            self._customers.add(hash64(taken.person.customer))
        first = taken.facts[0]
        if isinstance(first, OrderPlaced):
            self.revenue += first.amount
            self.lines += rows
        elif isinstance(first, OrderRefunded):
            self.return_lines += rows

    def show(self, customer: str, fact: dict[str, Any]) -> None:
        """A fact as it will stand on the log, while there are few."""
        if len(self.first) < FIRST:
            self.first.append({"customer": customer} | fact)

    def report(
        self, *, name: str, sha256: str, size: int, found: Found, kind: str, columns: dict[str, str], unused: list[str]
    ) -> Report:
        """Everything counted."""
        return Report(
            name=name,
            sha256=sha256,
            size=size,
            found=found,
            kind=kind,
            columns=columns,
            unused=unused,
            rows=self.rows,
            used=self.used,
            skipped=dict(sorted(self.skipped.items())),
            refused=self.refused,
            errors=sorted(self.errors, key=lambda one: one.row),
            reasons=dict(sorted(self.reasons.items())),
            facts=dict(sorted(self.facts.items())),
            customers=len(self._customers),
            orders=self.facts["order.placed"],
            refunds=self.facts["order.refunded"],
            revenue=self.revenue,
            lines=self.lines,
            return_lines=self.return_lines,
            earliest=self.earliest,
            latest=self.latest,
            after_baseline=self.after,
            groups=self.groups,
            first=self.first,
        )
