"""The folds meet in one place: only services/rehearsal makes those of several services, and moves records between them."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWNERS = {"ProfileFold": "profile", "SegmenterFold": "segmenter", "TriggerFold": "trigger_engine"}
"""Fold → its service."""
PIPELINE = "services/rehearsal/"


def made(folder: Path) -> dict[str, set[str]]:
    """Path of a module → the services whose folds it makes."""
    found: dict[str, set[str]] = defaultdict(set)
    for top in ("services", "shared", "deploy", "tests"):
        for path in (folder / top).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)) if any(name in text for name in OWNERS) else ():
                if isinstance(node, ast.Call):
                    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    if called in OWNERS:
                        found[path.relative_to(folder).as_posix()].add(OWNERS[called])
    return found


def elsewhere(folder: Path) -> list[str]:
    """Modules that make a fold and are neither the pipeline, nor the service's own entry point, nor a test of that fold alone."""
    return [
        f"{path}: {', '.join(sorted(services))}"
        for path, services in sorted(made(folder).items())
        if not path.startswith(PIPELINE)
        and not (len(services) == 1 and (path.startswith("tests/") or path == f"services/{min(services)}/__main__.py"))
    ]


def test_only_the_pipeline_makes_the_folds_of_several_services() -> None:
    assert elsewhere(ROOT) == []
    assert set().union(*(services for path, services in made(ROOT).items() if path.startswith(PIPELINE))) == set(
        OWNERS.values()
    )


def test_a_second_pipeline_is_found(tmp_path: Path) -> None:
    lines = {
        "services/profile/__main__.py": "ProfileFold(shop)",
        "services/console/__main__.py": "ProfileFold(shop)",
        "services/rehearsal/pipeline.py": "ProfileFold(shop), SegmenterFold(shop), TriggerFold(shop)",
        "tests/unit/one.py": "ProfileFold(shop)",
        "tests/unit/two.py": "[ProfileFold(shop), fold.TriggerFold(shop)]",
    }
    for path, line in lines.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(line, encoding="utf-8")

    assert elsewhere(tmp_path) == [
        "services/console/__main__.py: profile",
        "tests/unit/two.py: profile, trigger_engine",
    ]
