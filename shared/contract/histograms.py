"""Counts of RFM measures by value, from the partitions to the cut maker."""

from __future__ import annotations

from typing import Literal

import msgspec


class HistogramChunk(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="histogram.chunk"):
    """Absolute counts of one measure in one partition at an epoch: value → customers, for values of this chunk."""

    partition: int
    epoch: int
    measure: Literal["recency", "frequency", "monetary"]
    chunk: int
    counts: dict[int, int]


class EpochMarked(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="epoch.marked"):
    """All chunks of this partition for this epoch stand before this record."""

    partition: int
    epoch: int
    population: int
    checksum: str = ""
    """Of all chunks of this partition at this epoch, hex (services/segmenter/histograms.py); "": written before 0.3."""
