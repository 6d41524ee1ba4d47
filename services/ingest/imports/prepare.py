"""From a file to records ready to send, in one order on disk, with a report. Knows files and sorting; sends nothing.

Two passes on disk keep memory constant whatever the file: rows gathered to orders by an external sort on the order
number, then facts sorted by (customer, instant, id): a customer's facts follow each other, so what the chain says of them
comes at once. The same file under the same terms gives the same records in the same order.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from services.ingest.fields import EventRefusedError
from services.ingest.imports import mapping
from services.ingest.imports.cells import Layout
from services.ingest.imports.gathering import Gathering, Said, Say
from services.ingest.imports.limits import Limits
from services.ingest.imports.refusals import RowRefusedError
from services.ingest.imports.report import Report, Tally
from services.ingest.imports.sorting import Entry, Sorter
from services.ingest.imports.table import Reading, Table, opened
from services.ingest.imports.terms import Terms
from services.ingest.imports.vocabulary import Kind
from services.ingest.people import as_heard
from services.ingest.records import Request
from services.ingest.seal_memory import SealMemory
from shared.contract.frames import append
from shared.contract.prepared_records import PreparedRecord, prepared_records
from shared.contract.topics import CUSTOMER_EVENTS
from shared.engine.fold.batch import Emit
from shared.sealing import Keyring

_encode = msgspec.msgpack.Encoder().encode


class Wish(NamedTuple):
    """What is to be read, and how."""

    file: Path
    name: str
    """What its owner calls it."""
    terms: Terms
    reading: Reading
    columns: dict[str, str] | None = None
    """None: as suggested."""


class Tools(NamedTuple):
    """What the reading needs beside the file."""

    keyring: Keyring
    memory: SealMemory
    limits: Limits
    now_ms: int
    say: Say = lambda _: None


def prepare(wish: Wish, target: Path, tools: Tools) -> Report:
    """Write the records to `target` (new, private, on disk when this returns) and tell what was found.

    ImportRefusedError if the file cannot be read or mapped; refused rows only count.
    """
    tally = Tally()
    with opened(wish.file, tools.limits, wish.reading) as raw:
        table, columns = _mapped(raw, wish)
        layout = Layout(table.header, columns)
        with _private(target) as file, Sorter(target.parent) as sorted_facts:
            for said in Gathering(layout, wish.terms, tally).said(table.lines, target.parent, tools.say):
                entry = _keep(said, wish.terms, tally, tools)
                if entry is not None:
                    sorted_facts.add(*entry)
            _write(sorted_facts.merged(), file, tally)
    size, sha256 = wish.file.stat().st_size, _sha256(wish.file)
    return tally.report(
        name=wish.name,
        sha256=sha256,
        size=size,
        found=table.found,
        kind=wish.terms.kind,
        columns=columns,
        unused=list(layout.others),
    )


def mapped(wish: Wish, limits: Limits, named: Mapping[str, str] | None = None) -> dict[str, str]:
    """The mapping under which the file would be read; columns that are `named` are suggested for nothing else."""
    with opened(wish.file, limits, wish.reading) as table:
        if named is None:
            return _mapped(table, wish)[1]
        return suggested(table, wish.terms.kind, named) | dict(named)


def suggested(table: Table, kind: Kind, named: Mapping[str, str]) -> dict[str, str]:
    """What the table's first rows suggest for the fields that are not named."""
    sample = [line.cells for line in itertools.islice(table.lines, mapping.SAMPLE)]
    header = [name if name not in named.values() else "" for name in table.header]
    return {field: column for field, column in mapping.suggest(kind, header, sample).items() if field not in named}


def _mapped(table: Table, wish: Wish) -> tuple[Table, dict[str, str]]:
    """The table with its mapping; the rows looked at are put back."""
    sample = list(itertools.islice(table.lines, mapping.SAMPLE))
    given = wish.columns
    if given is None:
        given = mapping.suggest(wish.terms.kind, table.header, [line.cells for line in sample])
    columns = mapping.checked(wish.terms.kind, given, table.header)
    return table._replace(lines=itertools.chain(sample, table.lines)), columns


def _keep(said: Said, terms: Terms, tally: Tally, tools: Tools) -> Entry | None:
    """The records of what is said, sealed and guarded by the same code as those of HTTP."""
    taken, rows, row = said
    first = taken.facts[0]
    if terms.outside(first.at):
        tally.skip("outside the period", rows)
        return None
    latest = max(tools.now_ms, terms.baseline)
    request = Request(terms.source, tools.keyring, tools.memory, received_at=tools.now_ms, latest=latest)
    try:
        request.accept(as_heard(taken, latest))
    except EventRefusedError as refusal:
        tally.refuse(row, RowRefusedError("", refusal.reason), rows)
        return None
    request.settle()
    tally.take(taken, rows, terms.baseline)
    return Entry((taken.person.customer, first.at, first.id), _encode([_packed(record) for record in request.records]))


def _packed(record: Emit) -> PreparedRecord:
    return record.topic, record.partition, record.key, record.value, list(record.headers)


def _write(entries: Iterable[Entry], file: IO[bytes], tally: Tally) -> None:
    for number, entry in enumerate(entries):
        append(file, entry.body)
        if number < len(tally.first) + 5:
            for topic, _, key, value, headers in prepared_records(entry.body):
                if topic == CUSTOMER_EVENTS.name and key is not None and headers:  # links have none
                    tally.show(key.decode(), _shown(value))
    file.flush()
    os.fsync(file.fileno())


def _shown(value: bytes) -> dict[str, Any]:
    fact: dict[str, Any] = msgspec.json.decode(value)
    return {name: content for name, content in fact.items() if name not in {"baseline", "confirmed", "id"}}


def _private(target: Path) -> IO[bytes]:
    return os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", 1 << 20)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
