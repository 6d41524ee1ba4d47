"""Reads and checks a policy file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.language.check import parse_policy
from shared.language.text import read_text


def read_policy_file(path: Path) -> dict[str, Any]:
    """The checked document of a YAML or JSON file; ValueError names the file, the field and the reason."""
    try:
        return check_policy(read_text(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def check_policy(document: Any) -> dict[str, Any]:
    """The document if the engine can work by it; ValueError names the field and the reason."""
    parse_policy(document)
    checked: dict[str, Any] = document
    return checked
