"""From a file to records ready to send, in one order on disk, with a report. Knows files and sorting; sends nothing.

Two passes on disk keep memory constant whatever the file: rows gathered to orders by an external sort on the order
number, then facts sorted by (instant, id). The same file under the same terms gives the same records in the same order.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec

from services.ingest.fields import EventRefusedError
from services.ingest.imports import mapping, orders
from services.ingest.imports.cells import Layout, Row
from services.ingest.imports.frames import append
from services.ingest.imports.limits import Limits
from services.ingest.imports.orders import Piece, Skip
from services.ingest.imports.refusals import RowRefusedError
from services.ingest.imports.report import Report, Tally
from services.ingest.imports.sorting import Entry, Sorter
from services.ingest.imports.statements import Speaker
from services.ingest.imports.table import Line, Reading, Table, opened
from services.ingest.imports.terms import Terms
from services.ingest.imports.vocabulary import Kind
from services.ingest.people import Taken
from services.ingest.records import Request
from services.ingest.seal_memory import SealMemory
from shared.sealing import Keyring
from shared.streams.batch import Emit
from shared.topics import CUSTOMER_EVENTS

NEIGHBOURS: Final = 500
"""Rows of one order that are gathered before they go to the sorter."""
MOST_ROWS_OF_AN_ORDER: Final = 20_000

Packed = tuple[str, int, bytes | None, bytes, list[tuple[str, bytes]]]
"""An Emit as it is kept on disk."""
Say = Callable[[int], None]
"""Hears the number of rows read so far."""

_encode = msgspec.msgpack.Encoder().encode
_pieces = msgspec.msgpack.Decoder(list[Piece]).decode
packed_records = msgspec.msgpack.Decoder(list[Packed]).decode


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
    with opened(wish.file, tools.limits, wish.reading) as table:
        table, columns = _mapped(table, wish)
        layout = Layout(table.header, columns)
        with _private(target) as file, Sorter(target.parent) as sorted_facts:
            for taken, rows, row in _taken(table, layout, wish.terms, tally, target.parent, tools.say):
                _keep(taken, rows, row, wish.terms, tally, tools, sorted_facts)
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


def mapped(wish: Wish, limits: Limits) -> dict[str, str]:
    """The mapping under which the file would be read."""
    with opened(wish.file, limits, wish.reading) as table:
        return _mapped(table, wish)[1]


def _mapped(table: Table, wish: Wish) -> tuple[Table, dict[str, str]]:
    """The table with its mapping; the rows looked at are put back."""
    sample = list(itertools.islice(table.lines, mapping.SAMPLE))
    given = wish.columns
    if given is None:
        given = mapping.suggest(wish.terms.kind, table.header, [line.cells for line in sample])
    columns = mapping.checked(wish.terms.kind, given, table.header)
    return table._replace(lines=itertools.chain(sample, table.lines)), columns


def _taken(
    table: Table, layout: Layout, terms: Terms, tally: Tally, folder: Path, say: Say
) -> Iterator[tuple[Taken, int, int]]:
    """What is said, by how many rows, and the first of them."""
    speaker = Speaker(layout, terms)
    if terms.kind is not Kind.ORDERS:
        for line in _counted(table.lines, tally, say):
            try:
                yield speaker.row(Row(line.cells, layout, line.number)), 1, line.number
            except RowRefusedError as refusal:
                tally.refuse(line.number, refusal)
        return
    reader = orders.Reader(layout, terms)
    with Sorter(folder) as sorter:
        _gather(_counted(table.lines, tally, say), reader, layout, tally, sorter)
        for pieces in _by_order(sorter.merged()):
            yield from _order(pieces, speaker, tally, by_line=reader.by_line)


def _counted(lines: Iterable[Line], tally: Tally, say: Say) -> Iterator[Line]:
    for line in lines:
        tally.rows += 1
        if tally.rows % 10_000 == 0:
            say(tally.rows)
        yield line


def _gather(lines: Iterable[Line], reader: orders.Reader, layout: Layout, tally: Tally, sorter: Sorter) -> None:
    """Neighbouring rows of one order together, into the sorter."""
    held: list[Piece] = []

    def flush() -> None:
        if held:
            sorter.add((held[0].order, held[0].row), _encode(held))
            held.clear()

    for line in lines:
        piece = _piece(line, reader, layout, tally)
        if piece is not None:
            if held and (held[0].order != piece.order or len(held) >= NEIGHBOURS):
                flush()
            held.append(piece)
    flush()


def _piece(line: Line, reader: orders.Reader, layout: Layout, tally: Tally) -> Piece | None:
    row = None
    try:
        row = Row(line.cells, layout, line.number)
        return reader.piece(row)
    except Skip as reason:
        tally.skip(str(reason))
    except RowRefusedError as refusal:
        tally.refuse(line.number, refusal)
        try:
            return None if row is None else reader.torn(row)
        except RowRefusedError:
            return None
    return None


def _by_order(entries: Iterable[Entry]) -> Iterator[list[Piece]]:
    for _, group in itertools.groupby(entries, key=lambda entry: entry.key[0]):
        pieces: list[Piece] = []
        for entry in group:
            if len(pieces) <= MOST_ROWS_OF_AN_ORDER:
                pieces += _pieces(entry.body)
            else:  # never whole in memory: what is beyond the bound is counted with the order's refusal
                last = pieces[-1]
                pieces[-1] = msgspec.structs.replace(last, rows=last.rows + len(_pieces(entry.body)))
        yield pieces


def _order(pieces: list[Piece], speaker: Speaker, tally: Tally, *, by_line: bool) -> Iterator[tuple[Taken, int, int]]:
    first, rows = pieces[0].row, sum(piece.rows for piece in pieces if not piece.torn)
    try:
        if len(pieces) > MOST_ROWS_OF_AN_ORDER:
            raise RowRefusedError("", f"the order has more than {MOST_ROWS_OF_AN_ORDER} rows")  # noqa: TRY301
        order = orders.join(pieces, by_line=by_line)
        if not order.torn:
            yield speaker.order(order), rows, first
        elif rows:
            raise RowRefusedError("", "belongs to an order of which another row is refused")  # noqa: TRY301
    except Skip as reason:
        tally.skip(str(reason), rows)
    except RowRefusedError as refusal:
        if refusal.reason == "is a placeholder":
            tally.skip("customer is a placeholder", rows)
        else:
            tally.refuse(first, refusal, rows)


def _keep(
    taken: Taken, rows: int, row: int, terms: Terms, tally: Tally, tools: Tools, sorted_facts: Sorter
) -> None:
    """The records of what is said, sealed and guarded by the same code as those of HTTP."""
    first = taken.facts[0]
    if terms.outside(first.at):
        tally.skip("outside the period", rows)
        return
    request = Request(terms.source, tools.keyring, tools.memory, received_at=tools.now_ms)
    try:
        request.accept(taken)
    except EventRefusedError as refusal:
        tally.refuse(row, RowRefusedError("", refusal.reason), rows)
        return
    request.settle()
    tally.take(taken, rows, terms.baseline)
    sorted_facts.add((first.at, first.id), _encode([_packed(record) for record in request.records]))


def _packed(record: Emit) -> Packed:
    return record.topic, record.partition, record.key, record.value, list(record.headers)


def _write(entries: Iterable[Entry], file: IO[bytes], tally: Tally) -> None:
    for number, entry in enumerate(entries):
        append(file, entry.body)
        if number < len(tally.first) + 5:
            for topic, _, key, value, _ in packed_records(entry.body):
                if topic == CUSTOMER_EVENTS.name and key is not None:
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
