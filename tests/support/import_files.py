"""Files to import, written by tests, and what a reading of them gives; knows the importer's own entrance only."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import openpyxl

from services.ingest.identifiers import Pepper
from services.ingest.imports.limits import COMMAND, Limits
from services.ingest.imports.prepare import Tools, Wish, prepare
from services.ingest.imports.report import Report
from services.ingest.imports.table import Reading
from services.ingest.imports.terms import Terms
from services.ingest.imports.vocabulary import Kind
from services.ingest.seal_memory import SealMemory
from shared.contract.codec import decode_front
from shared.contract.facts import Fact
from shared.contract.frames import frames
from shared.contract.identity import Linked
from shared.contract.prepared_records import PreparedRecord, prepared_records
from shared.contract.topics import CUSTOMER_EVENTS
from shared.instants import parse_zone
from shared.sealing import Keyring
from shared.shop import Shop

PEPPER = Pepper(bytes(range(32)))
SHOP = Shop(zone="Europe/London", currency="GBP", exponent=3)
RETAIL = ["InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"]
Rows = Sequence[Sequence[str]]


class Outcome(NamedTuple):
    """What a reading gave: its report and every record, in the order in which it would be sent."""

    report: Report
    records: list[PreparedRecord]

    @property
    def facts(self) -> list[tuple[str, Any]]:
        """(customer, fact) in order."""
        return [(customer, told) for customer, told in self._front if isinstance(told, Fact)]

    @property
    def links(self) -> list[tuple[str, str]]:
        """(weaker id, the one it is linked to) in order."""
        return [(customer, told.other) for customer, told in self._front if isinstance(told, Linked)]

    @property
    def _front(self) -> list[tuple[str, Any]]:
        return [((r[2] or b"").decode(), decode_front(r[3])) for r in self.records if r[0] == CUSTOMER_EVENTS.name]

    def fact(self, number: int = 0) -> Any:
        return self.facts[number][1]


def terms(**changes: Any) -> Terms:
    given: dict[str, Any] = {
        "shop": SHOP, "zone": parse_zone("Europe/London"), "pepper": PEPPER, "baseline": 1_700_000_000_000,
        "source": "shop", "file": "members.csv", "operator": "li",
    } | changes  # fmt: skip
    return Terms(**given)


def read(
    file: Path,
    *,
    kind: Kind = Kind.ORDERS,
    columns: dict[str, str] | None = None,
    reading: Reading | None = None,
    limits: Limits = COMMAND,
    **changes: Any,
) -> Outcome:
    """Read a file as the importer does."""
    keyring_file, records = file.parent / "keyring", file.parent / "records"
    if not keyring_file.exists():
        Keyring.create(keyring_file)
    tools = Tools(Keyring.load(keyring_file), SealMemory(lambda: 0.0, capacity=0), limits, 0)
    wish = Wish(file, file.name, terms(kind=kind, **changes), reading or Reading(), columns)
    report = prepare(wish, records, tools)
    with records.open("rb") as content:
        return Outcome(report, [record for frame in frames(content) for record in prepared_records(frame.body)])


def csv_bytes(header: Sequence[str], rows: Rows, *, delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([header, *rows])
    return out.getvalue().encode()


def write_csv(folder: Path, header: Sequence[str], rows: Rows, *, encoding: str = "utf-8") -> Path:
    file = folder / "orders.csv"
    file.write_bytes(csv_bytes(header, rows).decode().encode(encoding))
    return file


def write_xlsx(file: Path, rows: Sequence[Sequence[object]]) -> Path:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("one")
    for row in rows:
        sheet.append(list(row))
    book.save(file)
    return file


def same(one: Report) -> Report:
    """The report without what tells formats apart."""
    return msgspec.structs.replace(
        one,
        name="",
        sha256="",
        size=0,
        found=msgspec.structs.replace(one.found, format="", packed=False, encoding="", delimiter="", sheet=""),
    )
