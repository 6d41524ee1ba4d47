"""One application per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.ingest.harness import Shopfront
from tests.shell.ingest.hooked import Hooked


@pytest.fixture
def shop(tmp_path: Path) -> Shopfront:
    return Shopfront(tmp_path)


@pytest.fixture
def hooked(tmp_path: Path) -> Hooked:
    return Hooked(tmp_path)
