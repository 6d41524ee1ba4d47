"""One application per test, for contracts of its HTTP border."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.ingest.harness import Shopfront


@pytest.fixture
def shop(tmp_path: Path) -> Shopfront:
    return Shopfront(tmp_path)
