"""Byte strings one after the other in a file, each behind its length. Knows files; not what the bytes mean."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

_LENGTH: Final = struct.Struct("<I")


class Frame(NamedTuple):
    """One of them, and where the next begins."""

    body: bytes
    end: int


def append(file: IO[bytes], body: bytes) -> None:
    """Write one more."""
    file.write(_LENGTH.pack(len(body)))
    file.write(body)


def frames(file: IO[bytes], start: int = 0) -> Iterator[Frame]:
    """All from the byte `start` on; EOFError if the file ends within one."""
    file.seek(start)
    place = start
    while head := file.read(_LENGTH.size):
        if len(head) < _LENGTH.size:
            raise EOFError("the file ends within a frame")
        (length,) = _LENGTH.unpack(head)
        body = file.read(length)
        if len(body) < length:
            raise EOFError("the file ends within a frame")
        place += _LENGTH.size + length
        yield Frame(body, place)
