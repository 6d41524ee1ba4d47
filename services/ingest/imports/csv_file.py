"""Reads CSV: finds encoding and delimiter by looking, gives rows of texts. Knows characters; not what they mean."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from services.ingest.imports.limits import Limits
from services.ingest.imports.packed import unpacked
from services.ingest.imports.refusals import ImportRefusedError

DELIMITERS: Final = (",", ";", "\t")
ENCODINGS: Final = ("utf-8", "gb18030")
_BOM: Final = codecs.BOM_UTF8
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK: Final = 1 << 20


def find_encoding(path: Path, limits: Limits) -> str:
    """utf-8 (with or without mark) or gb18030, by reading the whole file: the first odd letter may stand in its last row."""
    decoders = {name: codecs.getincrementaldecoder(name)("strict") for name in ENCODINGS}
    with unpacked(path, limits) as file:
        start = file.read(3)
        if start[:2] in _WIDE:
            raise ImportRefusedError(f"{path.name}: is UTF-16; save it as CSV UTF-8")
        chunk = start
        while chunk or start is not None:
            if b"\0" in chunk:
                raise ImportRefusedError(f"{path.name}: holds zero bytes, so it is no CSV file")
            for name in list(decoders):
                try:
                    decoders[name].decode(chunk, final=not chunk)
                except UnicodeDecodeError:
                    del decoders[name]
            if not chunk or not decoders:
                break
            chunk = file.read(_CHUNK)
    found = next((name for name in ENCODINGS if name in decoders), None)
    if found is None:
        raise ImportRefusedError(f"{path.name}: is neither UTF-8 nor GB18030")
    return "utf-8-sig" if found == "utf-8" else found


def find_delimiter(line: str) -> str:
    """The one that stands most often outside quotes in the header; a comma if there is none."""
    counts = Counter(part for index, quoted in enumerate(line.split('"')) if index % 2 == 0 for part in quoted)
    best = max(DELIMITERS, key=lambda each: counts[each])
    return best if counts[best] else ","


@contextmanager
def csv_rows(path: Path, limits: Limits, *, encoding: str, delimiter: str) -> Iterator[Iterator[list[str]]]:
    """Rows as lists of texts; ImportRefusedError while reading where the file is broken."""
    with unpacked(path, limits) as file:
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        try:
            yield _rows(csv.reader(text, delimiter=delimiter), path)
        finally:
            text.detach()


def first_line(path: Path, limits: Limits, encoding: str) -> str:
    """The header as written."""
    with unpacked(path, limits) as file:
        return file.readline(limits.cell * 10).decode(encoding, "replace")


def _rows(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except (csv.Error, UnicodeDecodeError, EOFError) as error:
        raise ImportRefusedError(f"{path.name}: cannot be read: {error}") from None
