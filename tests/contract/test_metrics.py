"""The documented series are those that processes register, under names that follow Prometheus' conventions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry.registry import Registry
from shared.telemetry.series import HOPS, PROCESSES, READERS, SERIES, Series, series_of
from shared.version import VERSION

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(huitou_\w+)` \| (\w+) \| ([\w, ]*)\| ([\w, -]+) \| (.+) \|$", re.MULTILINE)
GROUPS = {"all": PROCESSES, "readers": READERS, "chain": HOPS}
BOUNDED = {
    "call",
    "channel",
    "outcome",
    "partition",
    "reason",
    "result",
    "state",
    "table",
    "topic",
    "verdict",
    "version",
}
"""Labels whose values the code or the topics bound."""


def documented() -> list[Series]:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = []
    for name, kind, labels, processes, meaning in ROW.findall(text):
        of = [one for word in processes.split(", ") for one in GROUPS.get(word, (word,))]
        found.append(
            Series(name, kind, tuple(labels.strip().split(", ")) if labels.strip() else (), tuple(of), meaning)
        )
    return found


def test_the_page_lists_every_series_as_the_code_declares_it() -> None:
    assert documented() == list(SERIES)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_registers_what_the_page_says_of_it(process: str) -> None:
    registry = Registry(process)
    families = {family.name: family for family in registry.registry.collect() if family.name.startswith("huitou_")}
    wanted = {each.name.removesuffix("_total"): each for each in documented() if process in each.of}

    assert families.keys() == wanted.keys()
    for name, family in families.items():
        assert (family.type, family.documentation) == (wanted[name].kind, wanted[name].meaning)


@pytest.mark.parametrize("series", SERIES, ids=lambda series: series.name)
def test_names_and_labels_follow_the_conventions(series: Series) -> None:
    assert series.name.endswith("_total") == (series.kind == "counter")
    assert not re.search(r"_(ms|millis|milliseconds|minutes|kb|mb)(_|$)", series.name), "base units"
    assert set(series.labels) <= BOUNDED
    assert set(series.of) <= set(PROCESSES)
    if series.kind == "histogram":
        assert series.name.endswith("_seconds")


def test_the_library_gives_names_back_as_they_are_declared() -> None:
    """A unit, or `_total`, would be appended to a name once more."""
    from prometheus_client import generate_latest  # noqa: PLC0415 - read as bytes, as the listener writes them

    for process in PROCESSES:
        registry = Registry(process)
        for series in series_of(process):
            if series.kind == "counter":
                child = registry.counter(series.name)
                (child.labels(*series.labels) if series.labels else child).inc()
        text = generate_latest(registry.registry).decode()
        shown = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
        assert {series.name for series in series_of(process) if series.kind == "counter"} <= shown


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"] == VERSION
