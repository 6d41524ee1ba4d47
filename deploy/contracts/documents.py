"""The published contract documents as texts by file name, and how they are written; knows the folder, not its content."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from deploy.contracts.asyncapi import asyncapi
from deploy.contracts.schemas import schemas
from deploy.contracts.vocabulary_page import vocabulary_page
from services.ingest import openapi

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs"
_SINGLE = ("asyncapi.json", "openapi.json", "vocabulary.md")


def documents() -> dict[str, str]:
    """Path below `FOLDER` → content, as the code is now."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {"asyncapi.json": asyncapi(project["version"]), "openapi.json": openapi.document()}
    found |= {f"schemas/{name}": schema for name, schema in schemas().items()}
    written = {name: json.dumps(document, ensure_ascii=False, indent=2) + "\n" for name, document in found.items()}
    return written | {"vocabulary.md": vocabulary_page()}


def published(folder: Path = FOLDER) -> dict[str, str]:
    """Path below `folder` → content, as the files are."""
    paths = [path for name in _SINGLE for path in folder.glob(name)] + sorted(folder.glob("schemas/*"))
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def publish(wanted: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """Make the files those wanted, and no more; returns the paths that were written or removed."""
    there = published(folder)
    changed = [name for name, text in wanted.items() if there.get(name) != text]
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    for name in changed:
        (folder / name).write_text(wanted[name], encoding="utf-8")
    stale = sorted(there.keys() - wanted.keys())
    for name in stale:
        (folder / name).unlink()
    return changed + stale
