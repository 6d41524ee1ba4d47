"""Enumerates the crash points of the engine's chain, over all cores; the oracle judges every run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache

from shared.engine.fold.rules import ALL_ON, Off

from .chain import Judge, live
from .points import Point
from .results import Result
from .world import InFlight

Outcome = tuple[list[Point], list[str]]
Say = Callable[[str], None]
_CHUNK = 20


@cache
def judge() -> Judge:
    """One per process: the quiet run and the oracle's answers."""
    return Judge()


def crashed(crashes: frozenset[Point], *, off: Off = ALL_ON, in_flight: InFlight = "lost") -> Outcome:
    """Points at which it died, and what differs in the end; what the engine itself noticed counts as a difference, too."""
    try:
        life = live(crashes, off=off, in_flight=in_flight)
    except RuntimeError as broken:
        return list(crashes), [f"{type(broken).__name__}: {broken}"]
    return life.world.points.died, judge().differences(life)


def landed(crashes: frozenset[Point]) -> Outcome:
    """As `crashed`, but what a dying process had sent to other partitions still arrives."""
    return crashed(crashes, in_flight="landed")


def enumerate_points(
    name: str, wanted: Iterable[frozenset[Point]], run: Callable[[frozenset[Point]], Outcome], say: Say
) -> Result:
    """One run for each set of crashes, on all cores."""
    result, tried = Result(name), list(wanted)
    with ProcessPoolExecutor() as pool:
        for number, (crashes, (died, differences)) in enumerate(
            zip(tried, pool.map(run, tried, chunksize=_CHUNK), strict=True), 1
        ):
            result.add(crashes, died, differences)
            if number % 500 == 0:
                say(f"{name}: {number} of {len(tried)}, {len(result.findings)} violations")
    return result
