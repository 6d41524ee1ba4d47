"""Reads one sheet of an Excel workbook row by row, as texts. Knows cells; evaluates nothing, follows no link."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.xml import DEFUSEDXML

from services.ingest.imports.limits import Limits
from services.ingest.imports.packed import checked_zip
from services.ingest.imports.refusals import ImportRefusedError

DIGITS: Final = ".15g"
"""What a spreadsheet keeps of a number: 0.1 + 0.2 is 0.3 there."""
_BROKEN: Final = (
    *(zipfile.BadZipFile, InvalidFileException, ParseError, DefusedXmlException),
    *(KeyError, ValueError, IndexError, TypeError, AttributeError, EOFError),
)
"""What the library raises for workbooks that are none."""


@contextmanager
def excel_rows(path: Path, limits: Limits, *, sheet: str = "") -> Iterator[tuple[str, Iterator[list[str]]]]:
    """The sheet's name and its rows (the first sheet if none is named); formulas give the value last computed, if any."""
    checked_zip(path, limits)
    if not DEFUSEDXML:
        raise ImportRefusedError("defusedxml is missing: Excel files are not read without it")
    with path.open("rb") as file:  # by its content: the library would judge a path by its ending
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except _BROKEN as error:
            reason = type(error).__name__
            raise ImportRefusedError(f"{path.name}: is no Excel file that can be read: {reason}") from None
        try:
            names = [each.title for each in book.worksheets]
            if not names or (sheet and sheet not in names):
                raise ImportRefusedError(f"{path.name}: has no sheet {sheet!r}; there are {', '.join(names) or 'none'}")
            found: Any = book[sheet or names[0]]
            found.reset_dimensions()  # what the file claims of itself may be false
            yield found.title, _rows(found, path, limits)
        finally:
            book.close()


def _rows(sheet: Any, path: Path, limits: Limits) -> Iterator[list[str]]:
    try:
        for row in sheet.iter_rows(values_only=True, max_col=limits.columns + 1):
            texts = [_text(value) for value in row]
            while texts and not texts[-1]:
                texts.pop()
            yield texts
    except _BROKEN as error:
        raise ImportRefusedError(f"{path.name}: cannot be read: {type(error).__name__}") from None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(value, DIGITS)
    if isinstance(value, dt.datetime):
        return value.replace(microsecond=0).isoformat(" ")
    return str(value)
