"""A line chart as SVG, written by hand because one chart is worth no library; knows points and labels only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 70, 150, 40, 60
COLOURS = ("#1b6ca8", "#c4572d", "#3a7d44", "#7b4fa3")
Points = Sequence[tuple[float, float]]


def chart(title: str, lines: Mapping[str, Points], *, across: str, up: str) -> str:
    """Both axes logarithmic, so all values must be above zero; ValueError without points."""
    points = [point for line in lines.values() for point in line]
    if not points:
        raise ValueError("lines: there is no point to draw")
    xs, ys = _decades([x for x, _ in points]), _decades([y for _, y in points])

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + _share(x, xs) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - _share(y, ys) * (HEIGHT - TOP - BOTTOM),
        )

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(WIDTH / 2, 22, title, anchor="middle", size=15),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, across, anchor="middle"),
        f'<text transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>',
    ]
    for decade in range(xs[0], xs[1] + 1):
        x, bottom = at(10.0**decade, 10.0 ** ys[0])
        drawn += [_rule(x, TOP, x, bottom), _text(x, bottom + 18, f"{10.0**decade:,.10g}", anchor="middle")]
    for decade in range(ys[0], ys[1] + 1):
        left, y = at(10.0 ** xs[0], 10.0**decade)
        drawn += [_rule(left, y, WIDTH - RIGHT, y), _text(left - 8, y + 4, f"{10.0**decade:,.10g}", anchor="end")]
    for number, (name, line) in enumerate(lines.items()):
        colour, places = COLOURS[number % len(COLOURS)], [at(*point) for point in sorted(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        drawn.append(_text(WIDTH - RIGHT + 14, TOP + 16 + 20 * number, name, colour=colour))
    return "\n".join([*drawn, "</svg>\n"])


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _share(value: float, decades: tuple[int, int]) -> float:
    return (math.log10(value) - decades[0]) / (decades[1] - decades[0])


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 13, colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(words)}</text>'


def _rule(*ends: float) -> str:
    x1, y1, x2, y2 = (f"{end:.1f}" for end in ends)
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#ddd"/>'
