"""The comparison as a table, as figures of bench.json, and whole in versus.json; measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from deploy.demo.verdict import write
from tests.bench.figures import Figure, rounded, text
from tests.bench.report import merged, read
from tests.bench.versus.readings import Compared, Quartiles

AGAIN = "base against itself"
COLOURS = {"slower": "red", "within the noise": "yellow", "shown": "dim"}


class Load(msgspec.Struct, frozen=True):
    """Load average of the last minute around a part."""

    before: float
    after: float


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of the comparison found."""

    name: str
    base: str
    """Commit."""
    this: str
    """Commit, or what was done to it."""
    pairs: int
    load: Load
    seconds: float
    """Wall time of the part."""
    figures: Sequence[Compared]

    @property
    def slower(self) -> list[str]:
        """Figures that are slower."""
        return [one.figure for one in self.figures if one.verdict == "slower"]


def table(part: Part) -> Table:
    """One line per figure; quartiles of the ratios beside those of the base against itself."""
    title = f"{part.name}: {part.this} against {part.base}, {part.pairs} pairs, {part.seconds:.0f} s, "
    title += f"load average {part.load.before:.2f} before and {part.load.after:.2f} after"
    drawn = Table(box=None, title=title, title_justify="left")
    drawn.add_column("figure", no_wrap=True)
    for name in ("base", "this", "unit", "this / base (quartiles)", "base / base", "verdict"):
        drawn.add_column(name, no_wrap=True, justify="left" if name in {"unit", "verdict"} else "right")
    for one in part.figures:
        colour = COLOURS.get(one.verdict)
        drawn.add_row(
            one.figure,
            text(rounded(one.base)),
            text(rounded(one.this)),
            one.unit,
            _ratio(one.ratio),
            _ratio(one.again),
            f"[{colour}]{one.verdict}[/{colour}]" if colour else one.verdict,
        )
    return drawn


def _ratio(one: Quartiles) -> str:
    return f"{one.middle:.3f} ({one.low:.3f}, {one.high:.3f})"


def figures(part: Part) -> Iterator[Figure]:
    """As bench.json has them: `versus/<part>/<figure>`; the ratio is the median of the rounds' ratios."""
    place = f"versus/{part.name}"
    yield Figure(f"{place}/load average before", rounded(part.load.before), "runnable processes")
    for one in part.figures:
        value, base = rounded(one.this), rounded(one.base)
        yield Figure(f"{place}/{one.figure}", value, one.unit, base, rounded(one.ratio.middle))
        if one.verdict == "shown":
            continue
        yield Figure(f"{place}/{one.figure}, {AGAIN}", rounded(one.again.middle), "×")
        for name, quartiles in ((f"{place}/{one.figure}", one.ratio), (f"{place}/{one.figure}, {AGAIN}", one.again)):
            yield Figure(f"{name}, lower quartile", rounded(quartiles.low), "×")
            yield Figure(f"{name}, upper quartile", rounded(quartiles.high), "×")
    yield Figure(f"{place}/load average after", rounded(part.load.after), "runnable processes")


def written(part: Part, root: Path) -> None:
    """Into bench.json and versus.json of the checkout at `root`; parts of earlier runs stay."""
    results = root / ".local" / "results"
    write(merged(read(results / "bench.json"), list(figures(part))), "bench", root)
    whole = results / "versus.json"
    before = msgspec.json.decode(whole.read_bytes(), type=dict[str, Part]) if whole.exists() else {}
    write(before | {part.name: part}, "versus", root)


def summary(parts: Iterable[Part]) -> list[str]:
    """A sentence per part."""
    return [
        f"{part.name}: slower in {', '.join(part.slower)}" if part.slower else f"{part.name}: not slower"
        for part in parts
    ]
