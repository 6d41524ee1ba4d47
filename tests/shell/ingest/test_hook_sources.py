"""The file of webhook sources: its checks, and the commands `hooks add`, `rotate`, `remove` and `list`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from services.ingest.__main__ import main
from services.ingest.hooks.sources import (
    AnySource,
    HookSources,
    HookSourcesError,
    change_sources,
    read_sources,
    source_of,
)


def sources_of(*given: dict[str, Any]) -> list[AnySource]:
    return [source_of({"name": "a", "provider": "shopify", "secrets": ["s" * 16]} | each) for each in given]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"secrets": []}, "secrets"),
        ({"secrets": ["short"]}, "secrets"),
        ({"secrets": ["s" * 16] * 3}, "secrets"),
        ({"provider": "taobao"}, "taobao"),
        ({"provider": "youzan"}, "client_id"),
        ({"colour": "red"}, "colour"),
        ({"customer_ids": "phone"}, "customer_ids"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused_by_field(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HookSourcesError, match=sentence):
        sources_of(given)


@pytest.mark.parametrize(
    "given", [[{}, {}], [{"name": "A"}], [{"name": "a/b"}], [{"issuer": "Ü"}], [{"provider": "generic"}]]
)
def test_names_are_unique_and_addresses(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    with pytest.raises(HookSourcesError, match=r"sources\[\d\]\.(name|issuer|secrets)"):
        change_sources(tmp_path / "f", lambda _: sources_of(*given))
    assert not (tmp_path / "f").exists()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "hooks.json"
    change_sources(file, lambda _: sources_of({}))
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    with pytest.raises(HookSourcesError, match="must be 0600"):
        HookSources(file, lambda: 0.0)


def test_no_secret_shows_in_a_source() -> None:
    (source,) = sources_of({"secrets": ["very-secret-indeed"]})
    assert "very" not in repr(source)


def test_a_source_is_added_rotated_and_removed_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hooks.json"
    monkeypatch.setenv("HUITOU_HOOKS_FILE", str(file))
    assert main(["hooks", "add", "oms", "generic", "--set", "issuer=tmall"]) == 0
    first = capsys.readouterr().out.strip()
    assert first.startswith("whsec_")
    assert main(["hooks", "rotate", "oms"]) == 0
    second = capsys.readouterr().out.strip()
    assert read_sources(file)[0].secrets == [second, first]
    assert main(["hooks", "rotate", "oms"]) == 0
    assert first not in read_sources(file)[0].secrets
    assert main(["hooks", "list"]) == 0
    shown = capsys.readouterr().out
    assert '"issuer":"tmall"' in shown
    assert "whsec" not in shown.splitlines()[-1]
    assert main(["hooks", "remove", "oms"]) == 0
    assert read_sources(file) == []


def test_a_providers_secret_is_read_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUITOU_HOOKS_FILE", str(tmp_path / "hooks.json"))
    monkeypatch.setattr("sys.stdin", io.StringIO("b8fca94e508ac942de\n"))
    assert main(["hooks", "add", "yz", "youzan", "--set", "client_id=c0ffee", "--set", "kdt_ids=[63077]"]) == 0
    (source,) = read_sources(tmp_path / "hooks.json")
    assert (source.secrets, getattr(source, "kdt_ids", None)) == (["b8fca94e508ac942de"], [63077])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["hooks", "remove", "x"], "no such source"),
        (["hooks", "rotate", "x"], "no such source"),
        (["hooks", "add", "x", "youzan"], "client_id"),
        (["hooks", "add", "X", "generic"], "lower-case"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    change_sources(tmp_path / "hooks.json", list)
    monkeypatch.setenv("HUITOU_HOOKS_FILE", str(tmp_path / "hooks.json"))
    monkeypatch.setattr("sys.stdin", io.StringIO("b8fca94e508ac942de\n"))
    assert main(arguments) == 1
    assert sentence in capsys.readouterr().err
