"""The services' shared command line: verify ends with 1 on differences, and says them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.engine.host import commands
from shared.engine.host.settings import EngineSettings
from tests.support.tally import TallyFold

SETTINGS = EngineSettings(kafka="nowhere:1", keyring=Path("k"), shop_file=Path("s"))


class Rebuilder:
    found: list[str] = []  # noqa: RUF012 (set per test)
    written: list[Path] = []  # noqa: RUF012

    def __init__(self, _: Any, cluster: Any, directory: Path, *, scenario: bool) -> None:
        self.directory = directory

    async def verify(self) -> list[str]:
        return self.found

    async def write(self) -> int:
        self.written.append(self.directory)
        return 0


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "Rebuilder", Rebuilder)
    monkeypatch.setattr(Rebuilder, "written", [])


def _run(*arguments: str) -> None:
    commands.run_service(lambda _: TallyFold(), SETTINGS, ["rebuild", *arguments])


@pytest.mark.parametrize(("found", "code"), [([], 0), (["customer x differs"], 1)])
def test_verify_says_what_differs(
    found: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Rebuilder, "found", found)
    with pytest.raises(SystemExit) as ended:
        _run("--from", "there", "--verify")

    assert ended.value.code == code
    assert capsys.readouterr().out.splitlines() == found
    assert Rebuilder.written == []


def test_without_verify_the_changelog_is_written() -> None:
    _run("--from", "there")

    assert Rebuilder.written == [Path("there")]


def test_a_rebuild_must_be_told_from_where(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _run("--verify")

    assert "--from" in capsys.readouterr().err
