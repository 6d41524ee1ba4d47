"""The fingerprint of a record that a commit carries (rule 8)."""

from __future__ import annotations

import zlib

from shared.engine.fold.batch import Record


def checksum(record: Record) -> str:
    """Fingerprint of a record for the commit's metadata (rule 8)."""
    return f"{record.offset}:{zlib.crc32((record.key or b'') + b'|' + (record.value or b'')):08x}"
