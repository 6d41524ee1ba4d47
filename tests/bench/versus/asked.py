"""What `make bench BENCH=versus` was asked for, read from the environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deploy.stack.stack import CACHE

PARTS = ("chain", "projector", "latency", "rest", "aggregator", "in-process")
PAIRS = 7
MOST = 100_000_000
"""Rounds or events: more is a slip of the pen."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """None leaves a part its own size."""

    base: str
    """Commit to compare with, in any form that git knows."""
    parts: tuple[str, ...] = PARTS
    pairs: int = PAIRS
    """Rounds; each runs the base twice and this build once."""
    events: int | None = None
    """Events of a run of chain, projector, aggregator, in-process."""
    seconds: float | None = None
    """Seconds of a run of latency (without an epoch, and with one) and of rest."""
    slowed: float | None = None
    """Per cent of CPU per event that the folds of the judged build burn on purpose; it is then the base commit, slowed."""
    cache: Path = CACHE


def asked(environment: Mapping[str, str]) -> Asked:
    """BASE, PARTS, PAIRS, EVENTS, SECONDS, SLOWED, HUITOU_CACHE; ValueError names what is wrong."""
    base = environment.get("BASE", "")
    if not base:
        raise ValueError("BASE: name the commit to compare with, e.g. BASE=HEAD~1")
    wanted = environment.get("PARTS") or "all"
    parts = PARTS if wanted == "all" else tuple(name.strip() for name in wanted.split(",") if name.strip())
    if not parts:
        raise ValueError(f"PARTS: none is named; there are {', '.join(PARTS)}, or all")
    unknown = [name for name in parts if name not in PARTS]
    if unknown:
        raise ValueError(f"PARTS: {', '.join(unknown)} unknown; there are {', '.join(PARTS)}")
    pairs, events = _number(environment, "PAIRS", 1), _number(environment, "EVENTS", 2_000)
    for name, number in (("PAIRS", pairs), ("EVENTS", events)):
        if number is not None and (number != int(number) or number > MOST):
            raise ValueError(f"{name} must be a whole number up to {MOST:,} (is {environment[name]})")
    return Asked(
        base=base,
        parts=tuple(name for name in PARTS if name in parts),
        pairs=PAIRS if pairs is None else round(pairs),
        events=None if events is None else round(events),
        seconds=_number(environment, "SECONDS", 5),
        slowed=_number(environment, "SLOWED", 1),
        cache=Path(environment.get("HUITOU_CACHE") or CACHE),
    )


def _number(environment: Mapping[str, str], name: str, least: float) -> float | None:
    said = environment.get(name)
    if not said:
        return None
    try:
        number = float(said)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not (math.isfinite(number) and number >= least):
        raise ValueError(f"{name} must be {least:g} or more (is {said})")
    return number
