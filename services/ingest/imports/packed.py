"""Opens what may be packed, and refuses bombs. Knows gzip and zip; not rows."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

from services.ingest.imports.limits import Limits
from services.ingest.imports.refusals import ImportRefusedError

GZIP: Final = b"\x1f\x8b"
ZIP: Final = b"PK\x03\x04"
OLE: Final = b"\xd0\xcf\x11\xe0"
_PROLOG: Final = 4_096
_DOCTYPE: Final = re.compile(rb"<\x00?!\x00?(?:D\x00?O\x00?C\x00?T\x00?Y|E\x00?N\x00?T\x00?I)", re.IGNORECASE)
_CHUNK: Final = 1 << 20


class _Counted(io.RawIOBase):
    """A stream that stops being readable when it has given more than it may."""

    def __init__(self, inner: IO[bytes], packed: int, limits: Limits, name: str) -> None:
        self._inner, self._packed, self._limits, self._name, self._given = inner, packed, limits, name, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # bytes-like of any kind
        try:
            data = self._inner.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ImportRefusedError(f"{self._name}: cannot be unpacked: {error}") from None
        self._given += len(data)
        most, small = self._limits.unpacked, self._limits.small
        if self._given > most or (self._given > small and self._given > self._packed * self._limits.ratio):
            raise ImportRefusedError(f"{self._name}: unpacks to far more than it may")
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def unpacked(path: Path, limits: Limits) -> Iterator[IO[bytes]]:
    """The bytes of a plain or gzipped file; ImportRefusedError while reading if it is a bomb or broken."""
    with path.open("rb") as file:
        if file.read(2) != GZIP:
            file.seek(0)
            yield file
            return
        file.seek(0)
        size = path.stat().st_size
        with gzip.GzipFile(fileobj=file) as inner:
            counted = _Counted(cast("IO[bytes]", inner), size, limits, path.name)
            yield io.BufferedReader(counted, _CHUNK)


def checked_zip(path: Path, limits: Limits) -> None:
    """ImportRefusedError unless the zip is a small, honest workbook: no bomb, no macros, no document types.

    A document type is where entities are declared, and with them every expansion and every outside file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive, path, limits)
            for entry in archive.infolist():
                if entry.filename.lower().endswith((".xml", ".rels", ".vml")):
                    _check_prolog(archive, entry, path)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, OSError) as error:
        raise ImportRefusedError(f"{path.name}: is no Excel file that can be read: {error}") from None


def _check_sizes(archive: zipfile.ZipFile, path: Path, limits: Limits) -> None:
    entries = archive.infolist()
    if len(entries) > limits.entries:
        raise ImportRefusedError(f"{path.name}: holds more than {limits.entries} entries")
    total, packed = sum(each.file_size for each in entries), path.stat().st_size
    if total > limits.unpacked or (total > limits.small and total > packed * limits.ratio):
        raise ImportRefusedError(f"{path.name}: unpacks to far more than it may ({total} bytes)")
    names = {each.filename.lower() for each in entries}
    if any("vbaproject" in name or name.startswith("xl/macrosheets/") for name in names):
        raise ImportRefusedError(f"{path.name}: holds macros; save it as .xlsx without them")
    if "xl/workbook.xml" not in names:
        raise ImportRefusedError(f"{path.name}: is a zip, but no Excel workbook")


def _check_prolog(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    with archive.open(entry) as file:
        if _DOCTYPE.search(file.read(_PROLOG)) is not None:
            raise ImportRefusedError(f"{path.name}: {entry.filename} declares a document type")
