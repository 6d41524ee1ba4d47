"""The state of one partition at one record as a file: written beside the stream, never in its way; knows no Kafka.

`<directory>/<service>/<partition>/<offset>.snap`, where `offset` is that of the checkpoint in the service's input topic:

    8 bytes   magic
    block     header (JSON)
    blocks    records, some thousand each: 4 bytes key length, key, 4 bytes value length, value
              the last record of all is the partition values

A block: 4 bytes length, 4 bytes CRC-32 of what follows, zstd. Integers are big-endian.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import cramjam
import msgspec

from shared.contract.topics import EPOCH
from shared.engine.state.head import PARTITION_KEY

MAGIC = b"huitous1"
KEPT = 2
"""Files of a partition that stay: where one cannot be read, the one before it and a longer tail serve."""
_BLOCK = 2_000
"""Records of one block."""
_FRAME = struct.Struct(">II")
_LENGTH = struct.Struct(">I")

Stored = tuple[bytes, bytes]
"""Key and value, as in the changelog."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Whose state a snapshot is, and where the log goes on."""

    service: str
    partition: int
    next: int
    """Offset of the input topic from which the tail is folded."""
    checksum: str
    """Of the last applied record, as in the commit (rule 8)."""
    schema: int
    """Of the service's state; every value names its own, too."""
    customers: int
    epoch: int = EPOCH


def folder(directory: Path, service: str, partition: int) -> Path:
    """Where the snapshots of a partition lie."""
    return directory / service / str(partition)


def paths(directory: Path, service: str, partition: int) -> list[Path]:
    """The snapshots of a partition, newest first."""
    found = folder(directory, service, partition).glob("*.snap")
    return sorted(
        (path for path in found if path.stem.isascii() and path.stem.isdigit()), key=lambda path: -int(path.stem)
    )


def write(directory: Path, header: Header, records: Iterable[Stored]) -> Path:
    """Write the snapshot whole or not at all, and remove all but the latest two. OSError where the disk refuses."""
    home = folder(directory, header.service, header.partition)
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{header.next - 1}.snap"
    new = home / "unfinished"
    try:
        with new.open("wb") as file:
            file.write(MAGIC)
            _put(file, msgspec.json.encode(header))
            rest = iter(records)
            while block := b"".join(_packed(key, value) for key, value in islice(rest, _BLOCK)):
                _put(file, block)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    _sync(home)
    for old in paths(directory, header.service, header.partition)[KEPT:]:
        old.unlink()
    return path


def read(path: Path) -> tuple[Header, Sequence[Stored]]:
    """Header and records, the partition values last. ValueError says what is wrong with the file."""
    with path.open("rb") as file:
        blocks = _blocks(file, path)
        header = _header(file, blocks, path)
        records = [record for block in blocks for record in _unpacked(block)]
    if len(records) != header.customers + 1 or records[-1][0] != PARTITION_KEY:
        raise ValueError(f"{path}: holds {len(records)} records, {header.customers + 1} were written")
    return header, records


def values(path: Path) -> tuple[Header, bytes]:
    """Header and the partition values alone: the customers are passed over unread. ValueError as `read`."""
    with path.open("rb") as file:
        header = _header(file, _blocks(file, path), path)
        last = place = file.tell()
        while frame := file.read(_FRAME.size):
            if len(frame) < _FRAME.size:
                raise ValueError(f"{path}: ends within a block")
            last, place = place, file.seek(_FRAME.unpack(frame)[0], os.SEEK_CUR)
        file.seek(last)
        records = list(_unpacked(next(_blocks(file, path), b"")))
    if not records or records[-1][0] != PARTITION_KEY:
        raise ValueError(f"{path}: the partition values are missing")
    return header, records[-1][1]


def _header(file: BinaryIO, blocks: Iterator[bytes], path: Path) -> Header:
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError(f"{path}: is no snapshot")
    return msgspec.json.decode(next(blocks, b""), type=Header)


def _put(file: BinaryIO, block: bytes) -> None:
    packed = bytes(cramjam.zstd.compress(block))
    file.write(_FRAME.pack(len(packed), zlib.crc32(packed)) + packed)


def _blocks(file: BinaryIO, path: Path) -> Iterator[bytes]:
    while frame := file.read(_FRAME.size):
        if len(frame) < _FRAME.size:
            raise ValueError(f"{path}: ends within a block")
        size, crc = _FRAME.unpack(frame)
        packed = file.read(size)
        if len(packed) != size or zlib.crc32(packed) != crc:
            raise ValueError(f"{path}: a block is damaged")
        yield bytes(cramjam.zstd.decompress(packed))


def _packed(key: bytes, value: bytes) -> bytes:
    return _LENGTH.pack(len(key)) + key + _LENGTH.pack(len(value)) + value


def _unpacked(block: bytes) -> Iterator[Stored]:
    place = 0
    while place < len(block):
        parts = []
        for _ in range(2):
            (size,) = _LENGTH.unpack_from(block, place)
            place += _LENGTH.size + size
            parts.append(block[place - size : place])
        yield parts[0], parts[1]


def _sync(home: Path) -> None:
    """Make the new name durable."""
    handle = os.open(home, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
