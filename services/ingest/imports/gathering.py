"""From rows to what they say, with every row counted once: in a fact, skipped or refused. Knows sorting; sends nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, final

import msgspec

from services.ingest.imports import orders
from services.ingest.imports.cells import Layout, Row
from services.ingest.imports.orders import Piece, Skip
from services.ingest.imports.refusals import RowRefusedError
from services.ingest.imports.report import Tally
from services.ingest.imports.sorting import Entry, Sorter
from services.ingest.imports.statements import Speaker
from services.ingest.imports.table import Line
from services.ingest.imports.terms import Terms
from services.ingest.imports.vocabulary import Kind
from services.ingest.people import Taken

NEIGHBOURS: Final = 500
"""Rows of one order that are gathered before they go to the sorter."""
MOST_ROWS_OF_AN_ORDER: Final = 20_000

Say = Callable[[int], None]
"""Hears the number of rows read so far."""

_encode = msgspec.msgpack.Encoder().encode
_pieces = msgspec.msgpack.Decoder(list[Piece]).decode


class Said(NamedTuple):
    """What some rows say."""

    taken: Taken
    rows: int
    row: int
    """The first of them."""


@final
class Gathering:
    """One reading of a table; what it cannot take is in the tally."""

    def __init__(self, layout: Layout, terms: Terms, tally: Tally) -> None:
        self._layout, self._tally = layout, tally
        self._speaker, self._reader = Speaker(layout, terms), orders.Reader(layout, terms)
        self._orders = terms.kind is Kind.ORDERS

    def said(self, lines: Iterable[Line], folder: Path, say: Say) -> Iterator[Said]:
        """What the rows say; orders in the order of their numbers, everything else as it stands in the file."""
        counted = self._counted(lines, say)
        if not self._orders:
            for line in counted:
                try:
                    yield Said(self._speaker.row(Row(line.cells, self._layout, line.number)), 1, line.number)
                except RowRefusedError as refusal:
                    self._tally.refuse(line.number, refusal)
            return
        with Sorter(folder) as sorter:
            self._gather(counted, sorter)
            for pieces in _by_order(sorter.merged()):
                yield from self._order(pieces)

    def _counted(self, lines: Iterable[Line], say: Say) -> Iterator[Line]:
        for line in lines:
            self._tally.rows += 1
            if self._tally.rows % 10_000 == 0:
                say(self._tally.rows)
            yield line

    def _gather(self, lines: Iterable[Line], sorter: Sorter) -> None:
        """Neighbouring rows of one order together, into the sorter."""
        held: list[Piece] = []
        for line in lines:
            piece = self._piece(line)
            if piece is None:
                continue
            if held and (held[0].order != piece.order or len(held) >= NEIGHBOURS):
                sorter.add((held[0].order, held[0].row), _encode(held))
                held.clear()
            held.append(piece)
        if held:
            sorter.add((held[0].order, held[0].row), _encode(held))

    def _piece(self, line: Line) -> Piece | None:
        row = None
        try:
            row = Row(line.cells, self._layout, line.number)
            return self._reader.piece(row)
        except Skip as reason:
            self._tally.skip(str(reason))
        except RowRefusedError as refusal:
            self._tally.refuse(line.number, refusal)
            return None if row is None else self._reader.torn(row)
        return None

    def _order(self, pieces: list[Piece]) -> Iterator[Said]:
        first, rows = pieces[0].row, sum(piece.rows for piece in pieces if not piece.torn)
        try:
            order = orders.join(pieces, by_line=self._reader.by_line)
            if not order.torn:
                yield Said(self._speaker.order(order), rows, first)
            elif rows:
                self._tally.refuse(
                    first, RowRefusedError("", "belongs to an order of which another row is refused"), rows
                )
        except RowRefusedError as refusal:
            if refusal.reason == PLACEHOLDER:
                self._tally.skip("customer is a placeholder", rows)
            else:
                self._tally.refuse(first, refusal, rows)


PLACEHOLDER: Final = "is a placeholder"
"""What identifiers.normalise says of "guest" and the like: nobody is meant, and nothing is wrong."""


def _by_order(entries: Iterable[Entry]) -> Iterator[list[Piece]]:
    """The pieces of one order after the other. Of one that is too large the rest is only counted, which tears it."""
    for _, group in itertools.groupby(entries, key=lambda entry: entry.key[0]):
        pieces: list[Piece] = []
        for entry in group:
            more = _pieces(entry.body)
            if len(pieces) + len(more) <= MOST_ROWS_OF_AN_ORDER:
                pieces += more
            else:
                rows = pieces[-1].rows * (not pieces[-1].torn) + sum(one.rows for one in more if not one.torn)
                pieces[-1] = msgspec.structs.replace(pieces[-1], rows=rows, over=True)
        yield pieces
