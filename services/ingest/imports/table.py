"""A file as a header and numbered rows, whatever its format. Knows formats; not what the columns mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from services.ingest.cutting import NOTHING, holds_contact
from services.ingest.imports.csv_file import csv_rows, find_delimiter, find_encoding, first_line
from services.ingest.imports.limits import Limits
from services.ingest.imports.packed import GZIP, OLE, ZIP
from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.values import instant

MANY_DIGITS: Final = 7


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is to be read; what is empty is found out."""

    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    header: bool = True
    """Whether its first row names the columns; else they are called A, B, C, …"""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a file turned out to be."""

    format: str
    """csv or xlsx."""
    packed: bool = False
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""


class Line(NamedTuple):
    """One row."""

    number: int
    """As a spreadsheet counts: the header is 1."""
    cells: list[str]


class Table(NamedTuple):
    """An open file."""

    found: Found
    header: list[str]
    lines: Iterator[Line]
    """Without empty rows."""


@contextmanager
def opened(path: Path, limits: Limits, reading: Reading | None = None) -> Iterator[Table]:
    """The table in a file; ImportRefusedError, now or while reading, says why it cannot be one."""
    wish = reading or Reading()
    with ExitStack() as stack:
        start = _start(path)
        if start.startswith(OLE):
            raise ImportRefusedError(
                f"{path.name}: is an old or locked Excel file; save it as .xlsx without a password"
            )
        if start.startswith(ZIP):
            # Only who reads a workbook pays for its library, which loads numpy: 0.2 s and 25 MB of every process.
            from services.ingest.imports.excel_file import excel_rows  # noqa: PLC0415

            sheet, rows = stack.enter_context(excel_rows(path, limits, sheet=wish.sheet))
            found = Found(format="xlsx", sheet=sheet)
        else:
            encoding = wish.encoding or find_encoding(path, limits)
            delimiter = wish.delimiter or find_delimiter(first_line(path, limits, encoding))
            rows = stack.enter_context(csv_rows(path, limits, encoding=encoding, delimiter=delimiter))
            packed = start.startswith(GZIP)
            found = Found(format="csv", packed=packed, encoding=encoding, delimiter=delimiter)
        yield _table(path, found, rows, limits, header=wish.header)


def _table(path: Path, found: Found, rows: Iterator[list[str]], limits: Limits, *, header: bool) -> Table:
    first = next(rows, None)
    if first is None:
        raise ImportRefusedError(f"{path.name}: is empty")
    _check_width(path, first, limits)
    if header:
        names = [name.strip().lstrip("\ufeff") for name in first]
        _require_names(path, names)
        return Table(found, names, _numbered(path, rows, limits, after=1))
    names = [_letter(index) for index in range(len(first))]
    return Table(found, names, _numbered(path, _with(first, rows), limits, after=0))


def _require_names(path: Path, names: list[str]) -> None:
    """A first row of data must not be lost, nor stand in the report as names of columns."""
    for place, name in enumerate(names):
        if _is_data(name):
            raise ImportRefusedError(
                f"{path.name}: column {_letter(place)} of the first row looks like an address or a phone number, not like "
                "a name; where there is no row of names, say so: --no-header (over HTTP header=false)"
            )


def _is_data(name: str) -> bool:
    """Names of columns have no address and few digits, unless they are dates."""
    if holds_contact(name, NOTHING) or "@" in name:
        return True
    return sum(character.isdecimal() for character in name) >= MANY_DIGITS and not _is_date(name)


def _is_date(name: str) -> bool:
    try:
        instant(name)
    except ValueError:
        return False
    return True


def _numbered(path: Path, rows: Iterator[list[str]], limits: Limits, *, after: int) -> Iterator[Line]:
    for number, cells in enumerate(rows, start=1 + after):
        if number - after > limits.rows:
            raise ImportRefusedError(f"{path.name}: has more than {limits.rows} rows")
        _check_width(path, cells, limits)
        if any(cells):
            yield Line(number, cells)


def _check_width(path: Path, cells: list[str], limits: Limits) -> None:
    if len(cells) > limits.columns:
        raise ImportRefusedError(f"{path.name}: has more than {limits.columns} columns")


def _with(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _letter(index: int) -> str:
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise ImportRefusedError(f"{path.name}: cannot be read: {error.strerror}") from None
