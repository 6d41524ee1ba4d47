"""Sorts more than memory holds: sorted runs on disk, merged while they are read. Knows keys and bytes; not rows."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Final, NamedTuple, Self, final

import msgspec

from shared.contract.frames import append, frames

BUDGET: Final = 24 << 20
"""Bytes held in memory before a run is written."""
_OVERHEAD: Final = 300
"""What an entry costs beside its bytes."""

_encode = msgspec.msgpack.Encoder().encode


Key = tuple[str | int, ...]
"""All keys of one sorter have one shape."""


class Entry(NamedTuple):
    """What is sorted: by the key, entries of one key in the order in which they came."""

    key: Key
    body: bytes


_decode = msgspec.msgpack.Decoder(tuple[Key, bytes]).decode


@final
class Sorter:
    """`with Sorter(folder) as sorter`: add everything, then read `merged` once. Its files are nobody else's and vanish."""

    def __init__(self, folder: Path, *, budget: int = BUDGET) -> None:
        self._folder, self._budget = folder, budget
        self._held: list[Entry] = []
        self._bytes = 0
        self._runs: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs:
            run.close()

    def add(self, key: Key, body: bytes) -> None:
        """One more entry; all keys have one shape."""
        self._held.append(Entry(key, body))
        self._bytes += len(body) + _OVERHEAD
        if self._bytes > self._budget:
            self._spill()

    def merged(self) -> Iterator[Entry]:
        """Everything, sorted."""
        self._held.sort(key=itemgetter(0))
        return heapq.merge(*(_read(run) for run in self._runs), self._held, key=itemgetter(0))

    def _spill(self) -> None:
        self._held.sort(key=itemgetter(0))
        run = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as the sorter
        self._runs.append(run)
        for entry in self._held:
            append(run, _encode(entry))
        run.flush()
        self._held, self._bytes = [], 0


def _read(run: IO[bytes]) -> Iterator[Entry]:
    for frame in frames(run):
        key, body = _decode(frame.body)
        yield Entry(key, body)
