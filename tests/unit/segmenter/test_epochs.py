"""What a partition tells of its population at the epochs: given a customer who stands still, then chunks and markers."""

from __future__ import annotations

from services.segmenter.fold import WHOLE_EVERY
from shared.contract.bundles import Profile, ProfileStep
from shared.contract.histograms import EpochMarked, HistogramChunk
from shared.shop import DAY, Shop
from tests.unit.segmenter.rig import Shard

EPOCH = 60_000
DUE = -(-20_000 * DAY // (WHOLE_EVERY * EPOCH)) * WHOLE_EVERY * EPOCH
"""An epoch at which everything is told."""
CHUNKS = 66


def test_every_24th_epoch_tells_all_chunks_and_each_marker_has_the_checksum_of_all() -> None:
    host = Shard(Shop(), epoch_ms=EPOCH)
    bought = Profile(orders=1, total=5, first_order_at=DUE, last_order_at=DUE, window_orders=1, window_amount=5)
    host.feed("c", ProfileStep(at=DUE, cause="event", profile=bought), as_of=DUE - 2 * EPOCH)
    host.tick(DUE - EPOCH)

    epochs = [host.tick(DUE + number * EPOCH) for number in range(WHOLE_EVERY + 1)]
    told = [sum(isinstance(output.value, HistogramChunk) for output in outputs) for outputs in epochs]
    marks = [output.value for outputs in epochs for output in outputs if isinstance(output.value, EpochMarked)]
    checksums = {mark.checksum for mark in marks}

    assert [number for number, count in enumerate(told) if count] == [0, WHOLE_EVERY]
    assert (told[0], told[WHOLE_EVERY]) == (CHUNKS, CHUNKS)
    assert len(checksums) == 1, "who stands still has one checksum"
    assert checksums != {""}
