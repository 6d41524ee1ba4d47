"""Sparse histograms of a partition's three measures, in chunks; knows columns and counts, no customer, no Kafka."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Measure = Literal["recency", "frequency", "monetary"]

Ints = npt.NDArray[np.int64]

MEASURES: dict[Measure, int] = {"recency": 1, "frequency": 1, "monetary": 64}
"""Measure → chunks, powers of two. The numbers are fixed, so that "all chunks" names empty ones, too: a chunk that an
earlier owner of the partition left behind is always overwritten."""

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Sparse(NamedTuple):
    """A value and how many customers have it, position by position; values are distinct."""

    values: Ints
    counts: Ints

    @property
    def total(self) -> int:
        """Customers in it."""
        return int(self.counts.sum())


ChunkKey = tuple[Measure, int]
Chunks = dict[ChunkKey, Sparse]


def chunks_of(columns: Mapping[str, npt.NDArray[Any]]) -> Chunks:
    """Every chunk of every measure over the live rows with orders inside the window."""
    counted = columns["live"] & (columns["frequency"] > 0)
    chunks: Chunks = {}
    for measure, number in MEASURES.items():
        values, counts = np.unique(columns[measure][counted].astype(np.int64), return_counts=True)
        places = _places(values, number)
        for chunk in range(number):
            inside = places == chunk
            chunks[measure, chunk] = Sparse(values[inside], counts[inside].astype(np.int64))
    return chunks


def _places(values: Ints, number: int) -> npt.NDArray[np.uint64]:
    """Value → chunk, evenly: the grid clears low bits of large amounts, so neither they nor ranges would spread."""
    if number == 1:
        return np.zeros(len(values), np.uint64)
    shift = np.uint64(64 - (number - 1).bit_length())
    places: npt.NDArray[np.uint64] = (values.view(np.uint64) * _SPREAD) >> shift
    return places


class Published:
    """Remembers what each chunk held when it was last published by this owner of the partition."""

    def __init__(self) -> None:
        self._digests: dict[ChunkKey, bytes] = {}

    def changed(self, chunks: Chunks, *, whole: bool = False) -> tuple[Chunks, str]:
        """The chunks that differ from those published before (the first time, and if `whole`: all), and the checksum of all.

        From now on they are published.
        """
        digests = {key: digest(chunk) for key, chunk in chunks.items()}
        news = {key: chunk for key, chunk in chunks.items() if whole or self._digests.get(key) != digests[key]}
        self._digests = digests
        return news, checksum(digests)


def digest(chunk: Sparse) -> bytes:
    """Of its values and counts, 16 bytes; empty for an empty chunk."""
    if not len(chunk.values):
        return b""
    order = np.argsort(chunk.values, kind="stable")
    content = chunk.values[order].tobytes() + chunk.counts[order].tobytes()
    return hashlib.blake2b(content, digest_size=16).digest()


def checksum(digests: Mapping[ChunkKey, bytes]) -> str:
    """Of all chunks of a partition, 16 hex digits; a chunk that is empty and one that is absent are the same."""
    found = hashlib.blake2b(digest_size=8)
    for (measure, number), of_chunk in sorted(digests.items()):
        if of_chunk:
            found.update(f"{measure}/{number}:".encode() + of_chunk)
    return found.hexdigest()


def population_of(chunks: Chunks) -> int:
    """Customers counted: the same in every measure."""
    return chunks["recency", 0].total
