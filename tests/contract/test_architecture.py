"""The import graph keeps its shape: cores are pure, nothing imports in a circle, files stay short.

Layers and rooms are contracts of import-linter (pyproject.toml); test_guards.py sees each of them fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("deploy", "services", "shared")
EFFECTS = ("asyncio", "aiokafka", "logging", "sqlalchemy")
"""A core reaches none of these, not even through another module."""
SURROUNDINGS = ("asyncpg", "fastapi", "httpx2", "os", "random", "socket", "threading", "time")
DECIDES = (
    "services.notifier.logic",
    "services.notifier.state",
    "services.profile.",
    "services.segmenter.",
    "services.trigger_engine.",
    "shared.contract.",
    "shared.engine.fold.",
    "shared.engine.identity.",
    "shared.engine.state.",
    "shared.engine.step.",
    "shared.ids",
    "shared.language.",
)
"""Cores that decide about customers: they reach nothing of the SURROUNDINGS either."""

SHELLS = {
    "services.console": "__main__ app consents lag_watch letter_desk letter_sender letter_store letters_api "
    "letters_command letters_page process projector queries store tables",
    "services.ingest": "__main__ answers api app bodies brake chain_lag clock_process declarations declarations_api gate "
    "gatherer http_process identity_api intake person_api person_sender protocol publisher segment_api settings "
    "typed_api typed_desk unlink unsubscribe_api hooks.api hooks.commands hooks.delivery hooks.generic hooks.reading "
    "hooks.shopify hooks.sources hooks.taker hooks.woocommerce hooks.youzan imports.command imports.forecasting "
    "imports.importer_process imports.routes imports.sending imports.work rolling",
    "services.notifier": "__main__ app bell channels.email channels.sms channels.wecom channels.wecom_api channels.wire "
    "intake intake_store lookout meter outbox providers publisher reader reconciler rows sender settings silence store tables",
    "services.profile": "__main__",
    "services.rehearsal": "__main__ audit checkpoints forecast.__main__ forecast.in_force",
    "services.segmenter": "__main__ cut_maker_app",
    "services.trigger_engine": "__main__ publish",
    "shared": "log",
    "shared.engine.host": "announce commands committer faust_host kafka_host own_ends resync rounds settings watch worker",
    "shared.engine.recovery": "checkpoints cluster counted_sink effects rebuild recovery",
    "shared.telemetry": "health listener process reading telemetry",
    "shared.kafka": "broadcast clients commits lag projector",
}
"""Modules that do I/O. Every other module of services/ and shared/ is a core."""

LONGEST = 300


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PRODUCT, "tests", include_external_packages=True, cache_dir=None)


def _shells() -> set[str]:
    return {f"{package}.{name}" for package, names in SHELLS.items() for name in names.split()}


def impure(graph: grimp.ImportGraph) -> dict[str, list[str]]:
    """Core module → the effects that it reaches."""
    cores = {name for name in graph.modules if name.startswith(("services.", "shared."))} - _shells()
    found = {core: _reached_effects(graph, core, core.startswith(DECIDES)) for core in cores}
    return {core: effects for core, effects in sorted(found.items()) if effects}


def _reached_effects(graph: grimp.ImportGraph, core: str, decides: bool) -> list[str]:  # noqa: FBT001
    known = [effect for effect in (*EFFECTS, *(SURROUNDINGS if decides else ())) if effect in graph.modules]
    return [effect for effect in known if graph.chain_exists(importer=core, imported=effect)]


def circles(graph: grimp.ImportGraph) -> list[set[str]]:
    """Groups of our modules that reach each other (strongly connected components above one module)."""
    ours = {name for name in graph.modules if name.split(".")[0] in {*PRODUCT, "tests"}}
    left = {name: graph.find_modules_directly_imported_by(name) & ours for name in ours}
    while ends := {name for name, targets in left.items() if not targets & left.keys()}:
        for name in ends:
            del left[name]
    return _reaching_each_other(left)


def _reaching_each_other(left: dict[str, set[str]]) -> list[set[str]]:
    groups: list[set[str]] = []
    for name in sorted(left):
        if not any(name in group for group in groups):
            group = {other for other in _reached(name, left) if name in _reached(other, left)}
            groups += [group] if group else []
    return groups


def _reached(name: str, left: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = set(left.get(name, ()))
    while waiting:
        found |= waiting
        waiting = {target for each in waiting for target in left.get(each, ())} - found
    return found


def _long_files(root: Path) -> Iterator[tuple[str, int]]:
    for top in (*PRODUCT, "tests"):
        for file in sorted((root / top).rglob("*.py")):
            lines = file.read_text(encoding="utf-8").count("\n")
            if lines > LONGEST:
                yield str(file.relative_to(root)), lines


def test_no_core_reaches_an_effect(graph: grimp.ImportGraph) -> None:
    assert impure(graph) == {}


def test_every_shell_has_effects(graph: grimp.ImportGraph) -> None:
    pure = {name for name in _shells() if not any(graph.chain_exists(importer=name, imported=each) for each in EFFECTS)}
    assert pure == set()


@pytest.mark.parametrize("effect", [*EFFECTS, "time", "os"])
def test_an_effect_two_imports_away_is_seen(graph: grimp.ImportGraph, effect: str) -> None:
    planted = deepcopy(graph)
    planted.add_import(importer="shared.contract.origin", imported=effect)
    assert "services.profile.logic" in impure(planted)


def test_no_module_imports_itself_in_a_circle(graph: grimp.ImportGraph) -> None:
    assert circles(graph) == []


def test_a_circle_of_three_is_seen(graph: grimp.ImportGraph) -> None:
    planted = deepcopy(graph)
    planted.add_import(importer="shared.ids", imported="services.trigger_engine.arbitration")
    assert [{"shared.ids", "services.trigger_engine.arbitration"} <= circle for circle in circles(planted)] == [True]


def test_no_file_is_longer_than_300_lines() -> None:
    assert dict(_long_files(ROOT)) == {}


def test_a_long_file_is_seen(tmp_path: Path) -> None:
    for name, lines in (("shared/short.py", 300), ("tests/long.py", 301)):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text("\n" * lines, encoding="utf-8")
    assert dict(_long_files(tmp_path)) == {"tests/long.py": 301}
