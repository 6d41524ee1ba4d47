"""`python -m tests.bench.report`: .local/results/bench.json as the tables of docs/bench.md; measures nothing.

`--write` puts them into docs/bench.md, between its two marks.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from tests.bench.figures import Figure, text
from tests.bench.targets import judged

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".local" / "results" / "bench.json"
PAGE = ROOT / "docs" / "bench.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
WORD = {True: "yes", False: "**no**", None: "not measured"}


def read(file: Path) -> list[Figure]:
    """The figures of earlier runs; none where there was no run."""
    return msgspec.json.decode(file.read_bytes(), type=list[Figure]) if file.exists() else []


def part_of(figure: Figure) -> str:
    """The part of the bench that a figure belongs to; the projector's chain is the chain's, versus/chain is a part of its own."""
    if figure.name.startswith("versus/"):
        return "/".join(figure.name.split("/", 2)[:2])
    return figure.name.partition(":")[0].partition(" with ")[0]


def merged(before: Iterable[Figure], fresh: Sequence[Figure]) -> list[Figure]:
    """The fresh figures, and of the older ones those of parts that were not run again."""
    again = {part_of(figure) for figure in fresh}
    return [figure for figure in before if part_of(figure) not in again] + list(fresh)


def markdown(figures: Sequence[Figure]) -> str:
    """Targets first, then each part's figures in the order in which they were found."""
    lines = ["### Targets", "", "| promise | target | measured | met |", "|---|---|---|---|"]
    for one in judged(figures):
        bound = f"{one.target.side} {text(one.target.bound)} {one.target.unit}"
        lines.append(f"| {one.target.promise} | {bound} | {text(one.measured)} | {WORD[one.met]} |")
    parts: dict[str, list[Figure]] = defaultdict(list)
    for figure in figures:
        parts[part_of(figure)].append(figure)
    for name, part in parts.items():
        lines += ["", f"### {name}", "", *_table(part)]
    return "\n".join(lines) + "\n"


def _table(figures: Iterable[Figure]) -> Iterator[str]:
    yield "| figure | value | unit | baseline | ratio |"
    yield "|---|---|---|---|---|"
    for one in figures:
        name = one.name.replace("|", "/")
        yield f"| {name} | {text(one.value)} | {one.unit} | {text(one.baseline)} | {text(one.ratio)} |"


def placed(page: str, tables: str) -> str:
    """The page with the tables between its marks; ValueError where it has none."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no marks {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{tables}{END}{tail}"


def main(arguments: Sequence[str]) -> int:
    """0 when there was something to show."""
    figures = read(RESULTS)
    if not figures:
        sys.stderr.write(f"{RESULTS.relative_to(ROOT)}: no figures yet; run make bench\n")
        return 1
    if "--write" in arguments:
        PAGE.write_text(placed(PAGE.read_text(encoding="utf-8"), markdown(figures)), encoding="utf-8")
    else:
        sys.stdout.write(markdown(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
