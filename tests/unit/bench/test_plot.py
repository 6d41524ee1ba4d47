"""The plot is whole XML with both axes named, and its points lie where the numbers say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.bench.plot import chart

SVG = "{http://www.w3.org/2000/svg}"


def test_axes_and_lines_are_named_and_a_decade_is_a_decade() -> None:
    lines = {"profile & co": [(10_000.0, 1.0), (100_000.0, 10.0), (1_000_000.0, 10.0)]}

    drawn = ET.fromstring(chart("restart", lines, across="customers", up="seconds"))  # noqa: S314 - our own text

    words = {one.text for one in drawn.iter(f"{SVG}text")}
    assert {"restart", "customers", "seconds", "profile & co", "100,000"} <= words
    (x1, y1), (x2, y2), (x3, y3) = (
        (float(one.attrib["cx"]), float(one.attrib["cy"])) for one in drawn.iter(f"{SVG}circle")
    )
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y2 < y1
    assert y2 == y3


def test_nothing_is_no_chart() -> None:
    with pytest.raises(ValueError, match="no point"):
        chart("restart", {}, across="customers", up="seconds")
