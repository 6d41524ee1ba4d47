"""What the comparison may be asked for, and what it is told otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.versus.asked import PARTS, Asked, asked
from tests.bench.versus.run import PARTS as MEASURED


def test_the_base_alone_asks_for_everything() -> None:
    assert asked({"BASE": "HEAD~1"}) == Asked(base="HEAD~1", parts=PARTS, pairs=7)
    assert tuple(MEASURED) == PARTS


def test_parts_run_in_their_own_order_and_may_be_shortened() -> None:
    wishes = {"BASE": "v1", "PARTS": "in-process, chain", "PAIRS": "3", "EVENTS": "5000", "SECONDS": "7.5"}

    found = asked(wishes | {"SLOWED": "5", "HUITOU_CACHE": "jars"})

    assert found == Asked(
        base="v1",
        parts=("chain", "in-process"),
        pairs=3,
        events=5_000,
        seconds=7.5,
        slowed=5.0,
        cache=Path("jars"),
    )


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "BASE: name the commit"),
        ({"PARTS": "chian,rest"}, "PARTS: chian unknown; there are chain, projector, latency, rest, aggregator"),
        ({"PAIRS": "0"}, r"PAIRS must be 1 or more \(is 0\)"),
        ({"PARTS": ","}, "PARTS: none is named"),
        ({"PAIRS": "1.4"}, r"PAIRS must be a whole number up to 100,000,000 \(is 1.4\)"),
        ({"PAIRS": "1e300"}, r"PAIRS must be a whole number"),
        ({"EVENTS": "many"}, "EVENTS: .*many"),
        ({"SECONDS": "nan"}, r"SECONDS must be 5 or more \(is nan\)"),
        ({"SLOWED": "-5"}, r"SLOWED must be 1 or more \(is -5\)"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_name(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        asked(({"BASE": "HEAD"} if environment else {}) | environment)
