"""What the segmenter refuses, and that it says why."""

from __future__ import annotations

import pytest

from services.segmenter.fold import SegmenterFold
from shared.shop import Shop


def test_settings_and_states_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="epoch_ms: must be above 0"):
        SegmenterFold(Shop(), epoch_ms=0, partition=0)
    with pytest.raises(ValueError, match="schema 0"):
        SegmenterFold(Shop(), epoch_ms=1, partition=0).upgrade(0, b"")
