"""How rows become facts: everything that is the same for all rows of one import. Knows no file and no column."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from services.ingest.identifiers import Pepper
from services.ingest.imports.vocabulary import Kind
from shared.contract.facts import Mode
from shared.shop import Shop


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever imports has said, and what the shop is."""

    shop: Shop
    zone: ZoneInfo
    """Of the file's local times."""
    pepper: Pepper
    kind: Kind = Kind.ORDERS
    source: str = "import"
    mode: Mode = "import"
    baseline: int
    """Logical time at the import's start, ms: earlier instants never fire; rows without a time happened then."""
    confirmed: bool = False
    since: int | None = None
    """Facts before this instant are left out; of an order it is the order's instant, so that none is torn."""
    until: int | None = None
    """Facts at or after this instant are left out."""
    returns: bool = False
    """Invoices that start with C become refunds that name no order."""
    keep_others: bool = False
    """Columns that nothing is mapped to become traits (customers)."""
    channel: str = "all"
    """Of consents, opt-outs where the file names none."""
    purpose: str = "marketing"
    file: str = ""
    """The file's name, for proofs."""
    operator: str = ""
    """Who imports, for proofs."""

    def outside(self, at: int) -> bool:
        """Whether the instant is not asked for."""
        return (self.since is not None and at < self.since) or (self.until is not None and at >= self.until)
