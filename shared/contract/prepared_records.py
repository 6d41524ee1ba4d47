"""Records that an import has prepared on disk: ingest writes them, the forecast reads them too."""

from __future__ import annotations

import msgspec

PreparedRecord = tuple[str, int, bytes | None, bytes, list[tuple[str, bytes]]]
"""Topic, partition, key, value, headers."""

prepared_records = msgspec.msgpack.Decoder(list[PreparedRecord]).decode
"""The records of one frame (frames.py): those of one event, in their order."""
